//! The objects of C that no peer has a part in: wrappers, options, data, requests, responses.

use std::ffi::{c_char, c_void};
use std::ptr;

use anwdl::ffi::aes_wrapper::*;
use anwdl::ffi::client_options::*;
use anwdl::ffi::data::*;
use anwdl::ffi::error::anwdl_status_t;
use anwdl::ffi::memory::{anwdl_bytes_free, anwdl_string_free};
use anwdl::ffi::request::*;
use anwdl::ffi::response::*;
use anwdl::ffi::rsa_wrapper::*;
use anwdl::ffi::value::*;

use super::c_check::{OK, Out, OutSize, Text, call, check_lent};
use super::input::Input;

const KEYS: [&str; 2] = [
    include_str!("../../examples-c/tests/keys/server.pem"),
    include_str!("../../examples-c/tests/keys/peer-1.pem"),
];

pub const NAMES: [&str; 5] = ["a", "container_uuid", "uptime", "version", "b\u{e9}"];
pub const JSON: [&str; 6] = [
    "{}",
    r#"{"a": 1, "b": "text", "c": true}"#,
    r#"{"uptime": 1, "version": "1"}"#,
    r#"{"container_uuid": "x"}"#,
    "[1]",
    "{} ",
];

const POINTERS: [&str; 6] = ["", "/a", "/b", "/a/0", "/0", "/b~1"];

/// The place of the wrapper that no session takes: in gcm nothing is preset.
pub const GCM: usize = 1;

/// At most two of each, of which one place may be empty.
pub struct Objects {
    pub options: [*mut anwdl_client_options_t; 2],
    pub rsa: [*mut anwdl_rsa_wrapper_t; 3],
    pub aes: [*mut anwdl_aes_wrapper_t; 2],
    pub data: [*mut anwdl_data_t; 2],
    pub requests: Vec<*mut anwdl_request_t>,
    pub responses: Vec<*mut anwdl_response_t>,
}

impl Objects {
    /// Two key pairs, and a wrapper without keys.
    pub fn new() -> Self {
        // SAFETY: each place takes what the function writes; the options and wrappers live.
        unsafe {
            let rsa = std::array::from_fn(|at| {
                let mut out = Out::new();
                let status = call(|| anwdl_rsa_wrapper_new(0, out.place()));
                let wrapper = out.take(status).expect("a wrapper without keys");
                if let Some(key) = KEYS.get(at) {
                    let pem = Text::new(key.as_bytes());
                    let set = call(|| anwdl_rsa_wrapper_set_private_key(wrapper, pem.pointer(), 1));
                    assert_eq!(set, OK);
                }
                wrapper
            });
            let aes = [ANWDL_CBC, ANWDL_GCM].map(|mode| {
                let mut out = Out::new();
                let status = call(|| anwdl_aes_wrapper_new(256, mode, out.place()));
                let wrapper = out.take(status).expect("a wrapper with a key");
                set_aes_key(wrapper, mode == ANWDL_CBC);
                wrapper
            });
            let options = std::array::from_fn(|at| {
                let options = anwdl_client_options_new();
                let set = call(|| anwdl_client_options_set_rsa_wrapper(options, rsa[at]));
                assert_eq!(set, OK);
                options
            });
            Self {
                options,
                rsa,
                aes,
                data: [ptr::null_mut(); 2],
                requests: Vec::new(),
                responses: Vec::new(),
            }
        }
    }

    /// One call, with whatever the input chooses.
    pub fn step(&mut self, input: &mut Input<'_>) {
        match input.below(6) {
            0 => self.step_options(input),
            1 => self.step_rsa(input),
            2 => self.step_aes(input),
            3 => self.step_data(input),
            4 => self.step_request(input),
            _ => self.step_response(input),
        }
    }

    fn step_options(&mut self, input: &mut Input<'_>) {
        let options = or_null(input, &self.options);
        let number = i32::from(input.byte() as i8);
        let flag = input.flag();
        // SAFETY: every object is live or NULL.
        unsafe {
            let mut copy = Out::new();
            let status = call(|| anwdl_client_options_copy(options, copy.place()));
            if let Some(copy) = copy.take(status) {
                anwdl_client_options_free(copy);
            }
            call(|| match number.rem_euclid(12) {
                0 if flag => anwdl_client_options_set_idle_timeout(options, input.byte().into()),
                0 => anwdl_client_options_set_timeout(options, input.byte().into()),
                // One that has a key: making one for the whole process takes seconds.
                1 => anwdl_client_options_set_rsa_wrapper(options, self.rsa[usize::from(flag)]),
                2 => {
                    let aes = or_null(input, &self.aes);
                    let status = anwdl_client_options_set_aes_wrapper(options, aes);
                    assert!(aes != self.aes[GCM] || status as i32 != OK);
                    status
                }
                3 => anwdl_client_options_set_exchange_keys(options, u8::from(flag)),
                4 => anwdl_client_options_set_non_blocking(options, u8::from(flag)),
                5 => {
                    anwdl_client_options_set_protocol(options, input.pick(&[0, 1, 2, 3, 4, 5, -1]))
                }
                6 => anwdl_client_options_set_max_message_size(
                    options,
                    input.pick(&[1024, 1, 0, 99_999_999, 100_000_000, usize::MAX]),
                ),
                7 => {
                    let ip = Text::choose(input, &["192.0.2.1", "::ffff:192.0.2.1", "host"]);
                    anwdl_client_options_set_peer_ip(options, ip.pointer())
                }
                8 => anwdl_client_options_set_proxy_protocol(options, input.pick(&[0, 1, 2])),
                10 => anwdl_client_options_set_key_echo(options, u8::from(flag)),
                9 => anwdl_client_options_set_separate_computation(options, u8::from(flag)),
                _ => {
                    let hex = Text::choose(input, &["00", &"a5".repeat(32), &"0g".repeat(32)]);
                    anwdl_client_options_set_expected_fingerprint(options, hex.pointer())
                }
            });
        }
    }

    fn step_rsa(&mut self, input: &mut Input<'_>) {
        let wrapper = or_null(input, &self.rsa);
        let flag = input.flag();
        // Only the last one changes its keys: the others belong to the options.
        let changing = [self.rsa[2], ptr::null_mut()][usize::from(input.below(8) == 7)];
        // SAFETY: every object is live or NULL, and every buffer as long as it says.
        unsafe {
            match input.below(11) {
                9 => {
                    let mut der = der_of(self.rsa[0], flag);
                    input.damage(&mut der);
                    let (kind, exponent) = (input.below(5), input.chunk());
                    call(|| match kind {
                        0 => {
                            anwdl_rsa_wrapper_set_public_key_der(changing, der.as_ptr(), der.len())
                        }
                        3 => anwdl_rsa_wrapper_set_public_numbers(
                            changing,
                            der.as_ptr(),
                            der.len(),
                            exponent.as_ptr(),
                            exponent.len(),
                        ),
                        4 => {
                            let operation: [anwdl_private_operation_t; 3] =
                                [Some(lie), Some(refuse), None];
                            let status = anwdl_rsa_wrapper_set_private_operation(
                                changing,
                                operation[exponent.len() % 3],
                                ptr::null_mut(),
                                flag.then_some(free_nothing),
                            );
                            assert_ne!(status as i32, OK, "no lie is believed");
                            status
                        }
                        1 => anwdl_rsa_wrapper_set_remote_public_key_der(
                            changing,
                            der.as_ptr(),
                            der.len(),
                        ),
                        _ => anwdl_rsa_wrapper_set_private_key_der(
                            changing,
                            der.as_ptr(),
                            der.len(),
                            u8::from(flag),
                        ),
                    });
                }
                10 => drop(der_of(wrapper, flag)),
                0 => {
                    let pem = Text::choose(input, &KEYS);
                    call(|| match flag {
                        true => anwdl_rsa_wrapper_set_public_key(changing, pem.pointer()),
                        false => anwdl_rsa_wrapper_set_private_key(
                            changing,
                            pem.pointer(),
                            u8::from(flag),
                        ),
                    });
                }
                1 => set_remote(changing, self.rsa[usize::from(flag)]),
                2 => take_string(|out| match input.below(3) {
                    0 => anwdl_rsa_wrapper_get_public_key(wrapper, out),
                    1 => anwdl_rsa_wrapper_get_private_key(wrapper, out),
                    _ => anwdl_rsa_wrapper_get_remote_public_key(wrapper, out),
                }),
                3 => take_string(|out| {
                    anwdl_rsa_wrapper_get_fingerprint(wrapper, u8::from(flag), out)
                }),
                4 => take_bytes(input, |data, len, out, out_len| {
                    anwdl_rsa_wrapper_encrypt_data(wrapper, data, len, u8::from(flag), out, out_len)
                }),
                5 => take_bytes(input, |data, len, out, out_len| {
                    anwdl_rsa_wrapper_decrypt_data(wrapper, data, len, out, out_len)
                }),
                6 => {
                    let data = input.chunk();
                    let mut valid = false;
                    call(|| {
                        anwdl_rsa_wrapper_verify_data_signature_with_key(
                            wrapper,
                            data.as_ptr(),
                            data.len(),
                            data.as_ptr(),
                            data.len(),
                            u8::from(flag),
                            &mut valid,
                        )
                    });
                    assert!(!valid, "nobody guesses a signature");
                }
                7 => {
                    // An exponent or a size that there is no key pair of.
                    let exponent = input.pick(&[0, 1, 2, 1 << 33]);
                    let size = input.pick(&[2048, 0, 2047, 8193]);
                    let status =
                        call(|| anwdl_rsa_wrapper_generate_key_pair(changing, exponent, size));
                    assert_ne!(status, OK);
                }
                _ => drop(anwdl_rsa_wrapper_get_key_size(wrapper)),
            }
        }
    }

    fn step_aes(&mut self, input: &mut Input<'_>) {
        let wrapper = or_null(input, &self.aes);
        // SAFETY: every object is live or NULL, and every buffer as long as it says.
        unsafe {
            match input.below(5) {
                0 => take_bytes(input, |data, len, out, out_len| {
                    anwdl_aes_wrapper_encrypt_data(wrapper, data, len, out, out_len)
                }),
                1 => take_bytes(input, |data, len, out, out_len| {
                    anwdl_aes_wrapper_decrypt_data(wrapper, data, len, out, out_len)
                }),
                2 => {
                    let mut key = [ptr::null(); 2];
                    let mut lens = [0; 2];
                    let [key_at, iv_at] = &mut key;
                    let [key_len, iv_len] = &mut lens;
                    let status =
                        call(|| anwdl_aes_wrapper_get_key(wrapper, key_at, key_len, iv_at, iv_len));
                    assert_eq!(
                        status == OK,
                        matches!(lens, [16 | 24 | 32, 0 | 16]),
                        "{lens:?}"
                    );
                }
                3 => {
                    let (key, iv) = (input.chunk(), input.chunk());
                    call(|| {
                        anwdl_aes_wrapper_set_key(
                            wrapper,
                            key.as_ptr(),
                            key.len(),
                            iv.as_ptr(),
                            iv.len(),
                        )
                    });
                }
                _ => {
                    let (size, mode) =
                        (input.pick(&[128, 192, 256, 0, 255]), input.pick(&[0, 1, 2]));
                    let mut out = Out::new();
                    let status = call(|| anwdl_aes_wrapper_new(size, mode, out.place()));
                    if let Some(wrapper) = out.take(status) {
                        anwdl_aes_wrapper_free(wrapper);
                    }
                }
            }
        }
    }

    fn step_data(&mut self, input: &mut Input<'_>) {
        let at = input.below(2);
        let (data, other) = (self.data[at], self.data[1 - at]);
        let name = Text::choose(input, &NAMES);
        let value = Text::choose(input, &["text", "1.0.0", "\u{1f50d}\n"]);
        let number = i64::from(input.byte()) - 1;
        // SAFETY: every object is live or NULL, and every buffer as long as it says.
        unsafe {
            match input.below(20) {
                0..3 => {
                    anwdl_data_free(data);
                    let mut out = Out::new();
                    let json = Text::choose(input, &JSON);
                    let status = call(|| match number % 3 {
                        0 => anwdl_data_new(out.place()),
                        1 => anwdl_data_new_array(out.place()),
                        _ => anwdl_data_from_json(json.pointer(), out.place()),
                    });
                    self.data[at] = out.take(status).unwrap_or(ptr::null_mut());
                }
                3 => take_string(|out| anwdl_data_to_json(data, out)),
                19 => read_value(anwdl_data_get_value(data), input),
                choice => {
                    call(|| match choice {
                        4 => anwdl_data_set_string(data, name.pointer(), value.pointer()),
                        5 => anwdl_data_set_integer(data, name.pointer(), number),
                        6 => anwdl_data_set_boolean(data, name.pointer(), u8::from(number > 0)),
                        7 => anwdl_data_set_null(data, name.pointer()),
                        8 => anwdl_data_set_object(data, name.pointer(), other),
                        9 => anwdl_data_set_array(data, name.pointer(), other),
                        10 => anwdl_data_add_string(data, value.pointer()),
                        11 => anwdl_data_add_integer(data, number),
                        12 => anwdl_data_add_object(data, other),
                        13 => anwdl_data_add_array(data, other),
                        14 => {
                            let text = input.chunk();
                            anwdl_data_set_string_with_length(
                                data,
                                name.pointer(),
                                text.as_ptr().cast(),
                                text.len(),
                            )
                        }
                        15 => {
                            let value = anwdl_value_find(
                                anwdl_data_get_value(other),
                                Text::choose(input, &POINTERS).pointer(),
                            );
                            anwdl_data_set_value(data, name.pointer(), value)
                        }
                        16 => anwdl_data_add_value(data, anwdl_data_get_value(data)),
                        17 => {
                            let json = Text::choose(input, &JSON);
                            match input.flag() {
                                false => anwdl_data_set_json(data, name.pointer(), json.pointer()),
                                true => anwdl_data_add_json(data, json.pointer()),
                            }
                        }
                        18 => {
                            let float =
                                f64::from_bits(u64::from_le_bytes(std::array::from_fn(|_| {
                                    input.byte()
                                })));
                            match input.flag() {
                                false => anwdl_data_set_float(data, name.pointer(), float),
                                true => anwdl_data_add_float(data, float),
                            }
                        }
                        _ => anwdl_data_set_statistics(data, number as u64, value.pointer()),
                    });
                }
            }
        }
    }

    fn step_request(&mut self, input: &mut Input<'_>) {
        let request = self.requests.last().copied().unwrap_or(ptr::null_mut());
        let name = Text::choose(input, &["a", "b", "c", "container_uuid"]);
        let (mut len, mut integer, mut boolean) = (0, 0, false);
        // SAFETY: the request is live or NULL.
        unsafe {
            check_lent(anwdl_request_get_verb(request));
            check_lent(anwdl_request_get_json(request));
            check_lent(anwdl_request_get_parameters_json(request));
            check_lent(anwdl_request_get_string(request, name.pointer(), &mut len));
            anwdl_request_get_integer(request, name.pointer(), &mut integer);
            anwdl_request_get_boolean(request, name.pointer(), &mut boolean);
            read_value(anwdl_request_get_parameters(request), input);
            if input.flag() {
                anwdl_request_free(request);
                self.requests.pop();
            }
        }
    }

    fn step_response(&mut self, input: &mut Input<'_>) {
        let response = self.responses.last().copied().unwrap_or(ptr::null_mut());
        let name = Text::choose(input, &["a", "b", "c", "uptime"]);
        let (mut len, mut integer, mut boolean) = (0, 0, false);
        // SAFETY: the response is live or NULL.
        unsafe {
            check_lent(anwdl_response_get_message(response));
            check_lent(anwdl_response_get_json(response));
            check_lent(anwdl_response_get_data_json(response));
            check_lent(anwdl_response_get_string(
                response,
                name.pointer(),
                &mut len,
            ));
            anwdl_response_get_integer(response, name.pointer(), &mut integer);
            anwdl_response_get_boolean(response, name.pointer(), &mut boolean);
            anwdl_response_get_success(response);
            read_value(anwdl_response_get_data(response), input);
            if input.flag() {
                anwdl_response_free(response);
                self.responses.pop();
            }
        }
    }
}

/// Reads a value in every way, and some of those behind and inside it.
fn read_value(mut value: anwdl_value_t, input: &mut Input<'_>) {
    let (mut len, mut integer, mut float, mut boolean) = (0, 0, 0.0, false);
    for _ in 0..8 {
        let name = Text::choose(input, &NAMES);
        let pointer = Text::choose(input, &POINTERS);
        let pointer = pointer.pointer();
        // SAFETY: what the value belongs to is live, and each place takes what the function writes.
        unsafe {
            check_lent(anwdl_value_get_name(value, &mut len));
            call(|| anwdl_value_get_integer(value, pointer, &mut integer));
            call(|| anwdl_value_get_float(value, pointer, &mut float));
            call(|| anwdl_value_get_boolean(value, pointer, &mut boolean));
            let mut string = ptr::null();
            call(|| anwdl_value_get_string(value, pointer, &mut string, &mut len));
            check_lent(string);
            anwdl_value_get_type(value);
            anwdl_value_get_count(value);
            take_string(|out| anwdl_value_to_json(value, out));
            value = match input.below(4) {
                0 => anwdl_value_get_first(value),
                1 => anwdl_value_get_next(value),
                2 => anwdl_value_find(value, pointer),
                _ => anwdl_value_get_member(value, name.pointer()),
            };
        }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // SAFETY: every object is live or NULL, and used no more.
        unsafe {
            for options in self.options {
                anwdl_client_options_free(options);
            }
            for wrapper in self.rsa {
                anwdl_rsa_wrapper_free(wrapper);
            }
            for wrapper in self.aes {
                anwdl_aes_wrapper_free(wrapper);
            }
            for data in self.data {
                anwdl_data_free(data);
            }
            for request in &self.requests {
                anwdl_request_free(*request);
            }
            for response in &self.responses {
                anwdl_response_free(*response);
            }
        }
    }
}

const ANWDL_CBC: AesModeNumber = 0;
const ANWDL_GCM: AesModeNumber = 1;

/// Both sides get the same key.
///
/// # Safety
/// The wrapper is live.
unsafe fn set_aes_key(wrapper: *mut anwdl_aes_wrapper_t, has_iv: bool) {
    let (key, iv) = ([1; 32], [2; 16]);
    let iv_len = if has_iv { iv.len() } else { 0 };
    // SAFETY: the caller vouches for the wrapper, and the lengths are right.
    let set = call(|| unsafe {
        anwdl_aes_wrapper_set_key(wrapper, key.as_ptr(), key.len(), iv.as_ptr(), iv_len)
    });
    assert_eq!(set, OK);
}

/// One of the objects or, now and then, NULL.
pub fn or_null<T>(input: &mut Input<'_>, objects: &[*mut T]) -> *mut T {
    match input.byte() {
        0xff => ptr::null_mut(),
        at => objects[usize::from(at) % objects.len()],
    }
}

/// A private key operation that takes its input for its result.
unsafe extern "C" fn lie(input: *const u8, output: *mut u8, size: usize, _: *mut c_void) -> u8 {
    // SAFETY: the library passes two places of that size.
    unsafe { output.copy_from_nonoverlapping(input, size) };
    1
}

/// One that fails.
unsafe extern "C" fn refuse(_: *const u8, _: *mut u8, _: usize, _: *mut c_void) -> u8 {
    0
}

unsafe extern "C" fn free_nothing(_: *mut c_void) {
    unreachable!("nothing was taken");
}

/// # Safety
/// Both are live or NULL.
unsafe fn set_remote(wrapper: *mut anwdl_rsa_wrapper_t, other: *mut anwdl_rsa_wrapper_t) {
    let mut out = Out::new();
    // SAFETY: the caller vouches for the wrappers; the string is the library's.
    unsafe {
        let status = call(|| anwdl_rsa_wrapper_get_public_key(other, out.place()));
        if let Some(pem) = out.take(status) {
            call(|| anwdl_rsa_wrapper_set_remote_public_key(wrapper, pem));
            anwdl_string_free(pem);
        }
    }
}

/// A key of a wrapper as DER; nothing if there is none.
///
/// # Safety
/// The wrapper is live or NULL.
unsafe fn der_of(wrapper: *const anwdl_rsa_wrapper_t, is_private: bool) -> Vec<u8> {
    let (mut out, mut len) = (Out::new(), OutSize::new());
    let (place, len_place) = (out.place(), len.place());
    // SAFETY: the caller vouches for the wrapper; the bytes are the library's.
    unsafe {
        let status = call(|| match is_private {
            true => anwdl_rsa_wrapper_get_private_key_der(wrapper, place, len_place),
            false => anwdl_rsa_wrapper_get_public_key_der(wrapper, place, len_place),
        });
        let (Some(bytes), Some(len)) = (out.take(status), len.take(status)) else {
            return Vec::new();
        };
        assert_eq!(bytes.is_null(), len == 0);
        if bytes.is_null() {
            return Vec::new();
        }
        let der = std::slice::from_raw_parts(bytes, len).to_vec();
        anwdl_bytes_free(bytes, len);
        der
    }
}

pub fn take_string(get: impl FnOnce(*mut *mut c_char) -> anwdl_status_t) {
    let mut out = Out::new();
    let place = out.place();
    let status = call(|| get(place));
    if let Some(string) = out.take(status) {
        // SAFETY: the library gave the string to the caller.
        unsafe {
            check_lent(string);
            anwdl_string_free(string);
        }
    }
}

fn take_bytes(
    input: &mut Input<'_>,
    make: impl FnOnce(*const u8, usize, *mut *mut u8, *mut usize) -> anwdl_status_t,
) {
    let data = input.chunk();
    let pointer = if input.below(16) == 15 {
        ptr::null()
    } else {
        data.as_ptr()
    };
    let (mut out, mut len) = (Out::new(), OutSize::new());
    let (place, len_place) = (out.place(), len.place());
    let status = call(|| make(pointer, data.len(), place, len_place));
    if let (Some(bytes), Some(len)) = (out.take(status), len.take(status)) {
        // SAFETY: the library gave the bytes to the caller.
        unsafe { anwdl_bytes_free(bytes, len) };
    }
}
