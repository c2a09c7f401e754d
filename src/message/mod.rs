//! Requests and responses, as JSON texts, and the formats that they are checked against.

mod data;
mod equalize;
mod format;
mod hash_index;
mod inner_strings;
pub(crate) mod json;
mod members;
mod received;
mod request;
mod response;
mod value;
mod work;
mod writing;

pub use data::{ContainerData, Data, DataValue};
pub(crate) use equalize::equalize_work;
pub(crate) use format::{Document, errors_of_whole};
pub use request::{MalformedRequest, Request};
pub(crate) use request::{RequestOutline, SHORTEST_REQUEST, write_request};
pub use response::{
    RESPONSE_MSG_BAD_AUTH, RESPONSE_MSG_BAD_REQ, RESPONSE_MSG_INTERNAL_ERROR, RESPONSE_MSG_OK,
    RESPONSE_MSG_REFUSED_REQ, RESPONSE_MSG_UNAVAILABLE, Response,
};
pub(crate) use response::{ResponseOutline, SHORTEST_RESPONSE, write_response};
pub use value::{Value, ValueType};
pub(crate) use value::{Values, no_value};
pub(crate) use work::{Count, Work};
pub(crate) use writing::Margins;
