//! The data of responses and the parameters of requests, built value by value.
//!
//! Each value is kept as JSON text, so that values from JSON keep every digit and every escape, and
//! each value is copied only once.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use zeroize::Zeroizing;

use super::format::{CONTAINER, DATA, FieldMask, STATISTICS, write_errors};
use super::hash_index::{Index, MAX_UNINDEXED};
use super::json::{self, MAX_DEPTH, Origin};
use super::members::get_or_try_init;
use super::value::{Value, Values};
use super::writing::longest_len;
use crate::error::{Error, Reason, Result};
use crate::secret::{NoMemory, SecretText, try_with_capacity};

/// A JSON object or array that is built value by value: response data, or the parameters of a
/// request.
///
/// Members keep the order in which they were first set. Names and values are wiped when they are
/// replaced or dropped, because data holds passwords and client tokens.
///
/// ```
/// use anwdl::message::Data;
///
/// let mut disks = Data::new_array();
/// disks.add("sda")?;
/// let mut data = Data::new();
/// data.set_statistics(86400, "1.0.0")?;
/// data.set("disks", &disks)?;
/// let json = r#"{"uptime": 86400, "version": "1.0.0", "disks": ["sda"]}"#;
/// assert_eq!(*data.to_json()?, json);
/// # Ok::<(), anwdl::Error>(())
/// ```
pub struct Data {
    is_array: bool,
    members: Vec<Member>,
    /// Finds the first `indexed` members. It stores their number plus one.
    index: Option<Index>,
    indexed: usize,
    /// The text for reading, kept until a value is changed.
    values: OnceLock<Box<Values>>,
    /// The values from before the last change, emptied: C may still have a pointer to them, and
    /// finds no value there.
    previous: Mutex<Option<Box<Values>>>,
}

struct Member {
    /// Empty for an element of an array.
    name: SecretText,
    value: DataValue,
}

/// A value for [`Data`], made from a string, an integer, a boolean, a [`Value`], or other data.
pub struct DataValue {
    /// The value as JSON, with the spaces that Python's `json.dumps` writes. Characters beyond
    /// ASCII are not escaped.
    json: Zeroizing<String>,
    /// How many levels of objects and arrays it has.
    levels: usize,
}

/// What a server's response says about a new container.
#[derive(Clone, Copy)]
pub struct ContainerData<'a> {
    /// The container's UUID: lower case hexadecimal digits in groups of 8, 4, 4, 4 and 12,
    /// with hyphens between them.
    pub uuid: &'a str,
    /// What the client must show to have the container destroyed: 255 letters, digits,
    /// hyphens and underscores.
    pub client_token: &'a str,
    /// The SHA-256 of the container's ISO image: 64 lower case hexadecimal digits.
    pub iso_sha256: &'a str,
    /// The user to log in as: `user_` and five digits.
    pub user_name: &'a str,
    /// The password of that user: letters and digits.
    pub password: &'a str,
    /// The port on which the container listens; not 0.
    pub listen_port: u16,
}

impl Data {
    /// An empty object.
    pub fn new() -> Self {
        Self {
            is_array: false,
            members: Vec::new(),
            index: None,
            indexed: 0,
            values: OnceLock::new(),
            previous: Mutex::new(None),
        }
    }

    /// An empty array.
    pub fn new_array() -> Self {
        Self {
            is_array: true,
            ..Self::new()
        }
    }

    /// An object from JSON text. Strings and numbers stay as written.
    pub fn from_json(json: &str) -> Result<Self> {
        let root = json::check(json, Origin::Caller)
            .map_err(|problem| problem.of_argument("json", json))?;
        let Some(object) = root.object() else {
            return Err(Error::invalid_argument(root.describe_as_no_object("json")));
        };
        let mut data = Self::new();
        // The reader has checked that their names differ.
        for (name, value) in object.members() {
            data.reserve_members(1)?;
            data.members.push(Member {
                name: name.try_decode()?,
                value: DataValue::from_accepted(value.as_written())?,
            });
        }
        Ok(data)
    }

    /// The data as JSON text, with a space after each comma and each colon. Fails if there is no
    /// memory.
    pub fn to_json(&self) -> Result<Zeroizing<String>> {
        Ok(DataValue::try_from(self)?.json)
    }

    /// Whether this is an array, and not an object.
    pub fn is_array(&self) -> bool {
        self.is_array
    }

    /// The data, for reading. This writes it as one text, which is kept until something changes.
    /// Fails if there is no memory.
    pub fn value(&self) -> Result<Value<'_>> {
        let values = get_or_try_init(&self.values, || {
            let count = if self.is_array { 0 } else { self.members.len() };
            let values = Values::of_data(&self.to_json()?, count)?;
            let previous = self.previous.lock();
            let place = previous.unwrap_or_else(PoisonError::into_inner).take();
            Ok::<_, Error>(match place {
                Some(mut place) => {
                    *place = values;
                    place
                }
                None => Box::new(values),
            })
        })?;
        Ok(values.root())
    }

    /// Sets a member of an object. A member of the same name is replaced in place.
    pub fn set<V: TryInto<DataValue>>(&mut self, name: &str, value: V) -> Result<()>
    where
        Error: From<V::Error>,
    {
        self.check_object()?;
        let value = value.try_into()?;
        value.check_levels()?;
        self.put(name, value)
    }

    /// Adds an element at the end of an array.
    pub fn add<V: TryInto<DataValue>>(&mut self, value: V) -> Result<()>
    where
        Error: From<V::Error>,
    {
        if !self.is_array {
            return Err(Error::invalid_argument(
                "data is an object: set members by name",
            ));
        }
        let value = value.try_into()?;
        value.check_levels()?;
        self.reserve_members(1)?;
        self.forget_values();
        self.members.push(Member {
            name: SecretText::default(),
            value,
        });
        Ok(())
    }

    /// Sets the six members that describe a new container. They are checked against the
    /// response format first; if one does not fit, none is set.
    pub fn set_container(&mut self, container: &ContainerData<'_>) -> Result<()> {
        let values = [
            container.uuid.try_into()?,
            container.client_token.try_into()?,
            container.iso_sha256.try_into()?,
            container.user_name.try_into()?,
            container.password.try_into()?,
            u64::from(container.listen_port).into(),
        ];
        self.set_normalized(CONTAINER, values)
    }

    /// Sets the two members that describe the server: how many seconds it has been running, and
    /// its version.
    pub fn set_statistics(&mut self, uptime: u64, version: &str) -> Result<()> {
        self.set_normalized(STATISTICS, [uptime.into(), version.try_into()?])
    }

    /// Sets these members, or none if they do not fit the response format.
    fn set_normalized<const COUNT: usize>(
        &mut self,
        places: FieldMask,
        values: [DataValue; COUNT],
    ) -> Result<()> {
        self.check_object()?;
        let mut fresh = Self::new();
        for (name, value) in DATA.names(places).zip(values) {
            fresh.put(name, value)?;
        }
        let text = fresh.to_json()?;
        let document = DATA.read(&text).expect("it was written as JSON");
        if let Some(errors) = document.errors() {
            return Err(Error::new(
                Reason::MalformedResponse,
                format!(
                    "the members do not fit the response format: {}",
                    write_errors(errors)
                ),
            ));
        }
        self.reserve_members(COUNT)?;
        for member in fresh.members {
            self.place(member);
        }
        Ok(())
    }

    fn check_object(&self) -> Result<()> {
        if self.is_array {
            return Err(Error::invalid_argument(
                "data is an array: add elements, which have no names",
            ));
        }
        Ok(())
    }

    /// Changes nothing if there is no memory.
    fn put(&mut self, name: &str, value: DataValue) -> Result<()> {
        self.reserve_members(1)?;
        let name = SecretText::try_copy(name)?;
        self.place(Member { name, value });
        Ok(())
    }

    /// Replaces a member, or adds it at the end, where there must be room.
    fn place(&mut self, member: Member) {
        self.forget_values();
        match self.find(&member.name) {
            Some(at) => self.members[at].value = member.value,
            None => self.members.push(member),
        }
    }

    fn forget_values(&mut self) {
        if let Some(mut values) = self.values.take() {
            *values = Values::empty();
            let previous = self.previous.get_mut();
            *previous.unwrap_or_else(PoisonError::into_inner) = Some(values);
        }
    }

    fn reserve_members(&mut self, count: usize) -> Result<()> {
        Ok(self.members.try_reserve(count).map_err(NoMemory::from)?)
    }

    /// The index of the member of this name.
    fn find(&mut self, name: &str) -> Option<usize> {
        if self.members.len() - self.indexed > MAX_UNINDEXED {
            self.extend_index();
        }
        let is_named = |at: usize| (*self.members[at].name == *name).then_some(at);
        let index = self.index.as_ref();
        let indexed = index.and_then(|index| index.find(name.as_bytes(), |at| is_named(at - 1)));
        indexed.or_else(|| (self.indexed..self.members.len()).find_map(is_named))
    }

    /// Adds all members to the index. A full index is rebuilt at twice the size, so each member is
    /// hashed a few times at most. Members that do not fit, for lack of memory or beyond 32 bits,
    /// are found by a linear search.
    fn extend_index(&mut self) {
        let count = self.members.len();
        if u32::try_from(count).is_err() {
            return;
        }
        if self
            .index
            .as_ref()
            .is_none_or(|index| index.capacity() < count)
        {
            self.indexed = 0;
            self.index = Index::with_capacity(2 * count).ok();
        }
        let Some(index) = &mut self.index else {
            return;
        };
        for (member, place) in self.members[self.indexed..].iter().zip(self.indexed + 1..) {
            index.add(&member.name, place as u32);
        }
        self.indexed = count;
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values hold passwords and client tokens.
        let names = self.members.iter().map(|member| &*member.name);
        f.debug_list().entries(names).finish()
    }
}

// A buffer that grows leaves an unwiped copy behind, so each one below is large enough from the
// start.

impl DataValue {
    /// JSON's `null`.
    pub fn null() -> Self {
        Self::word("null")
    }

    /// Any value, from its JSON text. Strings and numbers stay as written.
    pub fn from_json(json: &str) -> Result<Self> {
        let value = json::check(json, Origin::Caller)
            .map_err(|problem| problem.of_argument("json", json))?;
        Self::from_accepted(value.as_written())
    }

    /// A finite float, as Python writes it.
    pub fn float(value: f64) -> Result<Self> {
        if !value.is_finite() {
            return Err(Error::invalid_argument(
                "value is infinite or NaN, which JSON does not have",
            ));
        }
        Ok(Self::word(
            serde_json::to_string(&value).expect("it is finite"),
        ))
    }

    /// From something that is not secret: a number or a word.
    fn word(text: impl Into<String>) -> Self {
        Self {
            json: Zeroizing::new(text.into()),
            levels: 0,
        }
    }

    /// Copies an accepted value. Only the whitespace between its parts changes.
    fn from_accepted(written: &str) -> Result<Self> {
        let separators = written.bytes().filter(|byte| matches!(byte, b',' | b':'));
        let mut json = try_text(written.len() + separators.count())?;
        let (mut level, mut levels) = (0, 0);
        let mut rest = written;
        while let Some(first) = rest.bytes().next() {
            let len = match first {
                b'"' => string_len(rest),
                _ => 1,
            };
            let (part, behind) = rest.split_at(len);
            rest = behind;
            match first {
                b' ' | b'\t' | b'\n' | b'\r' => continue,
                b'{' | b'[' => {
                    level += 1;
                    levels = levels.max(level);
                }
                b'}' | b']' => level -= 1,
                _ => {}
            }
            json.extend_from_slice(part.as_bytes());
            if matches!(first, b',' | b':') {
                json.push(b' ');
            }
        }
        Ok(Self {
            json: into_text(json),
            levels,
        })
    }

    /// Fails if it is nested too deep to be put into data, which adds one level.
    fn check_levels(&self) -> Result<()> {
        if self.levels < MAX_DEPTH {
            return Ok(());
        }
        Err(Error::invalid_argument(format!(
            "data would be nested deeper than {MAX_DEPTH} levels"
        )))
    }
}

/// Fails if there is no memory for it.
impl TryFrom<&str> for DataValue {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        let mut json = try_text(longest_len(text))?;
        write_string(&mut json, text);
        Ok(Self {
            json: into_text(json),
            levels: 0,
        })
    }
}

impl From<i64> for DataValue {
    fn from(integer: i64) -> Self {
        Self::word(integer.to_string())
    }
}

impl From<u64> for DataValue {
    fn from(integer: u64) -> Self {
        Self::word(integer.to_string())
    }
}

impl From<bool> for DataValue {
    fn from(boolean: bool) -> Self {
        Self::word(boolean.to_string())
    }
}

/// A copy of the data. Fails if there is no memory.
impl TryFrom<&Data> for DataValue {
    type Error = Error;

    fn try_from(data: &Data) -> Result<Self> {
        let member_len = |Member { name, value }: &Member| {
            longest_len(name) + ": ".len() + value.json.len() + ", ".len()
        };
        let len: usize = data.members.iter().map(member_len).sum();
        let mut json = try_text(len + "{}".len())?;
        json.push(if data.is_array { b'[' } else { b'{' });
        for (index, Member { name, value }) in data.members.iter().enumerate() {
            if index > 0 {
                json.extend_from_slice(b", ");
            }
            if !data.is_array {
                write_string(&mut json, name);
                json.extend_from_slice(b": ");
            }
            json.extend_from_slice(value.json.as_bytes());
        }
        json.push(if data.is_array { b']' } else { b'}' });
        let levels = data.members.iter().map(|member| member.value.levels);
        Ok(Self {
            json: into_text(json),
            levels: 1 + levels.max().unwrap_or(0),
        })
    }
}

/// A copy of a value.
impl Value<'_> {
    /// The value as JSON text, as [`Data::to_json`] writes it. Fails if there is no memory.
    pub fn to_json(self) -> Result<Zeroizing<String>> {
        Ok(DataValue::try_from(self)?.json)
    }
}

/// Fails if there is no memory for it.
impl TryFrom<Value<'_>> for DataValue {
    type Error = Error;

    fn try_from(value: Value<'_>) -> Result<Self> {
        Self::from_accepted(value.as_written())
    }
}

/// An empty buffer for a secret text of `len` bytes.
fn try_text(len: usize) -> Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(try_with_capacity(len)?))
}

/// The length of the string, with its quotes, at the start of an accepted text.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.expect("an accepted string has an end") + 2
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a Vec takes everything");
}

fn into_text(mut json: Zeroizing<Vec<u8>>) -> Zeroizing<String> {
    let text = String::from_utf8(std::mem::take(&mut *json)).expect("texts were joined");
    Zeroizing::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Response;

    const CONTAINER_DATA: ContainerData<'_> = ContainerData {
        uuid: "01234567-89ab-cdef-0123-456789abcdef",
        client_token: TOKEN,
        iso_sha256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        user_name: "user_12345",
        password: "abc123",
        listen_port: 10000,
    };
    const TOKEN: &str = {
        const BYTES: [u8; 255] = [b't'; 255];
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!(),
        }
    };

    fn refused<T>(result: Result<T>, reason: Reason, text: &str) {
        let Err(error) = result else {
            panic!("it should be refused: {text}")
        };
        assert_eq!(error.reason(), Some(reason));
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn values_read_as_python_writes_them() {
        let mut list = Data::new_array();
        assert_eq!(*list.to_json().unwrap(), "[]");
        list.add(true).unwrap();
        list.add(DataValue::null()).unwrap();
        list.add("x").unwrap();
        list.add(&Data::new()).unwrap();
        let mut data = Data::default();
        assert_eq!(*data.to_json().unwrap(), "{}");
        data.set("a", i64::MIN).unwrap();
        data.set("most", u64::MAX).unwrap();
        data.set("b", &list).unwrap();
        data.set("", "caf\u{e9} \" \\ / \u{1}\0\n\u{7f}\u{1f600}")
            .unwrap();
        data.set("q\"", false).unwrap();
        assert_eq!(
            *data.to_json().unwrap(),
            "{\"a\": -9223372036854775808, \"most\": 18446744073709551615, \
             \"b\": [true, null, \"x\", {}], \
             \"\": \"caf\u{e9} \\\" \\\\ / \\u0001\\u0000\\n\u{7f}\u{1f600}\", \"q\\\"\": false}"
        );
        assert!(json::check(&data.to_json().unwrap(), Origin::Caller).is_ok());
        assert!(list.is_array() && !data.is_array());
    }

    #[test]
    fn a_name_set_again_is_replaced_in_its_place() {
        let mut data = Data::from_json(r#"{"a": 1, "\u0062": 2, "c": 3}"#).unwrap();
        data.set("b", "new").unwrap();
        data.set("d", 4_i64).unwrap();
        assert_eq!(
            *data.to_json().unwrap(),
            r#"{"a": 1, "b": "new", "c": 3, "d": 4}"#
        );
    }

    #[test]
    fn each_of_many_names_is_found_again() {
        let names = || (0..1000).map(|at| format!("name {at}"));
        let mut data = Data::new();
        for value in [1_i64, 2] {
            for (at, name) in names().enumerate() {
                assert_eq!(data.find(&name), (value == 2).then_some(at));
                data.set(&name, value).unwrap();
            }
        }
        let members: Vec<_> = names().map(|name| format!("\"{name}\": 2")).collect();
        assert_eq!(
            *data.to_json().unwrap(),
            format!("{{{}}}", members.join(", "))
        );
    }

    #[test]
    fn what_came_as_json_keeps_every_digit_and_every_escape() {
        let text = " {\"n\":123456789012345678901234567890,\t\"r\":[1.0 ,1e2,-0],\r\n\
                     \"s\":\"\\u00e9 \\\\\\\", : [\\/\",\"o\":{ \"k\\\\\" : { } , \"l\" : [ ] }}\n";
        let data = Data::from_json(text).unwrap();
        assert_eq!(
            *data.to_json().unwrap(),
            "{\"n\": 123456789012345678901234567890, \"r\": [1.0, 1e2, -0], \
             \"s\": \"\\u00e9 \\\\\\\", : [\\/\", \"o\": {\"k\\\\\": {}, \"l\": []}}"
        );
        assert_eq!(
            *Data::from_json(&data.to_json().unwrap())
                .unwrap()
                .to_json()
                .unwrap(),
            *data.to_json().unwrap()
        );
    }

    #[test]
    fn json_that_is_no_acceptable_object_is_refused() {
        for (text, problem) in [
            (
                "",
                "json is not acceptable JSON at line 1 column 1 (byte 0): the text is empty",
            ),
            (
                "{} x",
                "json is not acceptable JSON at line 1 column 4 (byte 3): there is text",
            ),
            (r#"{"a": 1, "\u0061": 2}"#, "a duplicate key"),
            ("[1]", "json is an array; it must be an object, such as {"),
            ("null", "json is not an object, such as {"),
        ] {
            refused(Data::from_json(text), Reason::InvalidArgument, problem);
        }
    }

    #[test]
    fn objects_are_set_and_arrays_are_added_to() {
        let (mut object, mut array) = (Data::new(), Data::new_array());
        refused(
            array.set("a", 1_i64),
            Reason::InvalidArgument,
            "data is an array",
        );
        refused(
            object.add(1_i64),
            Reason::InvalidArgument,
            "data is an object",
        );
        refused(
            array.set_container(&CONTAINER_DATA),
            Reason::InvalidArgument,
            "data is an array",
        );
        refused(
            array.set_statistics(1, "1"),
            Reason::InvalidArgument,
            "data is an array",
        );
        assert_eq!(
            (&**object.to_json().unwrap(), &**array.to_json().unwrap()),
            ("{}", "[]")
        );
    }

    #[test]
    fn data_are_as_deep_as_json_may_be_and_no_deeper() {
        let (mut array, mut object) = (Data::new_array(), Data::new());
        for _ in 1..MAX_DEPTH {
            let mut outer = Data::new_array();
            outer.add(&array).unwrap();
            array = outer;
        }
        let json = array.to_json().unwrap();
        assert!(json::check(&json, Origin::Caller).is_ok());
        refused(
            object.set("a", &array),
            Reason::InvalidArgument,
            "data would be nested deeper than 64 levels",
        );
        refused(
            Data::new_array().add(&array),
            Reason::InvalidArgument,
            "data would be nested deeper than 64 levels",
        );
        assert_eq!(*object.to_json().unwrap(), "{}");

        let inner = &json[1..json.len() - 1];
        let deepest = Data::from_json(&format!("{{\"a\": {inner}}}")).unwrap();
        refused(
            object.set("a", &deepest),
            Reason::InvalidArgument,
            "nested deeper",
        );
        let one_less = Data::from_json(&format!("{{\"a\": {}}}", &inner[1..inner.len() - 1]));
        object.set("a", &one_less.unwrap()).unwrap();
        assert!(json::check(&object.to_json().unwrap(), Origin::Caller).is_ok());
    }

    #[test]
    fn normalized_data_fit_the_response_format() {
        let mut data = Data::new();
        data.set("version", 1_i64).unwrap();
        data.set_container(&CONTAINER_DATA).unwrap();
        data.set_statistics(u64::MAX, "1.0").unwrap();
        let json = data.to_json().unwrap();
        assert!(
            json.starts_with("{\"version\": \"1.0\", \"container_uuid\": \"01234567-"),
            "{}",
            *json
        );
        assert!(
            json.ends_with("\"container_listen_port\": 10000, \"uptime\": 18446744073709551615}")
        );
        let response = format!(r#"{{"success": true, "message": "OK", "data": {}}}"#, *json);
        assert_eq!(Response::errors_of(&response).unwrap(), None);
    }

    #[test]
    fn a_field_that_does_not_fit_is_named_and_nothing_is_set() {
        let right = CONTAINER_DATA;
        let long_token = format!("{TOKEN}t");
        let wrong: &[(&str, ContainerData<'_>)] = &[
            (
                "container_uuid",
                ContainerData {
                    uuid: "0123",
                    ..right
                },
            ),
            (
                "client_token",
                ContainerData {
                    client_token: &long_token,
                    ..right
                },
            ),
            (
                "container_iso_sha256",
                ContainerData {
                    iso_sha256: "ABC",
                    ..right
                },
            ),
            (
                "container_username",
                ContainerData {
                    user_name: "root",
                    ..right
                },
            ),
            (
                "container_password",
                ContainerData {
                    password: "wrong secret",
                    ..right
                },
            ),
            (
                "container_listen_port",
                ContainerData {
                    listen_port: 0,
                    ..right
                },
            ),
        ];
        let mut data = Data::new();
        data.set("container_password", "kept").unwrap();
        for (field, container) in wrong {
            let error = data.set_container(container).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::MalformedResponse));
            let message = error.to_string();
            assert!(message.contains(&format!("{{\"{field}\": [")), "{message}");
            assert!(!message.contains("wrong secret"), "{message}");
            assert_eq!(
                *data.to_json().unwrap(),
                r#"{"container_password": "kept"}"#
            );
        }
    }

    #[test]
    fn neighbours_are_no_deeper_than_each_alone() {
        for (text, levels) in [
            ("1", 0),
            ("[]", 1),
            ("[[], [], {}, {\"a\": \"[[[\"}]", 2),
            (r#"{"a": {"b": []}, "c": [[]], "d": {}}"#, 3),
        ] {
            assert_eq!(
                DataValue::from_accepted(text).unwrap().levels,
                levels,
                "{text}"
            );
        }
    }

    #[test]
    fn no_text_outgrows_its_place() {
        for text in ["", "a", "\"", "\\", "\0", "\u{1f}", "\u{7f}", "é"] {
            let written = serde_json::to_string(text).unwrap();
            assert!(longest_len(text) >= written.len(), "{text:?}");
        }
        let text = "\0\u{1}\n\"\\é\u{1f600}/".repeat(100);
        let mut json = Vec::with_capacity(longest_len(&text));
        let capacity = json.capacity();
        write_string(&mut json, &text);
        assert_eq!(json.capacity(), capacity);

        let mut list = Data::new_array();
        for _ in 0..100 {
            list.add(&*text).unwrap();
        }
        let mut data = Data::new();
        data.set(&text, &list).unwrap();
        data.set("", &list).unwrap();
        let json = data.to_json().unwrap();
        let member_len = |name: &str, value: &str| longest_len(name) + value.len() + 4;
        let list_json = list.to_json().unwrap();
        assert_eq!(
            json.capacity(),
            2 + member_len(&text, &list_json) + member_len("", &list_json)
        );
        let accepted = DataValue::from_accepted(&json).unwrap();
        assert_eq!(*accepted.json, *json);
        let separators = json.bytes().filter(|byte| b",:".contains(byte)).count();
        assert_eq!(accepted.json.capacity(), json.len() + separators);
    }

    #[test]
    fn debug_shows_no_value() {
        let data = Data::from_json(r#"{"client_token": "secret"}"#).unwrap();
        assert_eq!(format!("{data:?}"), r#"["client_token"]"#);
    }
}
