//! What the two sides say to each other once they have keys: requests and responses, as
//! JSON texts, and the formats that they are checked against.

mod format;
pub(crate) mod json;
mod request;
mod response;

pub use request::Request;
pub(crate) use request::{MalformedRequest, write_request};
pub(crate) use response::write_response;
pub use response::{
    RESPONSE_MSG_BAD_AUTH, RESPONSE_MSG_BAD_REQ, RESPONSE_MSG_INTERNAL_ERROR, RESPONSE_MSG_OK,
    RESPONSE_MSG_REFUSED_REQ, RESPONSE_MSG_UNAVAILABLE, Response,
};
