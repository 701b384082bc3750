//! The only door to librdkafka: its functions are looked up in the shared object that confluent-kafka brings, and what is
//! behind them is safe. Names and layouts are those of `rdkafka.h`, which keeps them within major version 2.
#![allow(unsafe_code)]
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::Mutex;

use libloading::Library;

use crate::cloudevents::Header;

const CONSUMER: c_int = 1;
const CONF_OK: c_int = 0;
const STAMP_APPEND: c_int = 2;
const DESTROY_WITHOUT_CLOSE: c_int = 0x8;
const TEXT_BYTES: usize = 512;
/// Errors that are kept until they are asked for; further ones say the same.
const ERRORS_MAX: usize = 64;
const VERSION_LEAST: c_int = 0x0200_0000;
const VERSION_BELOW: c_int = 0x0300_0000;

/// `rd_kafka_message_t`.
#[repr(C)]
struct RawMessage {
    err: c_int,
    rkt: *mut c_void,
    partition: i32,
    payload: *const u8,
    len: usize,
    key: *const u8,
    key_len: usize,
    offset: i64,
    private: *mut c_void,
}

type Handle = *mut c_void;
type ErrorCallback = unsafe extern "C" fn(Handle, c_int, *const c_char, *mut c_void);

/// The functions that are used, by their names in C.
#[derive(Clone, Copy)]
struct Functions {
    version: unsafe extern "C" fn() -> c_int,
    err2str: unsafe extern "C" fn(c_int) -> *const c_char,
    err2name: unsafe extern "C" fn(c_int) -> *const c_char,
    conf_new: unsafe extern "C" fn() -> Handle,
    conf_destroy: unsafe extern "C" fn(Handle),
    conf_set: unsafe extern "C" fn(Handle, *const c_char, *const c_char, *mut c_char, usize) -> c_int,
    conf_set_opaque: unsafe extern "C" fn(Handle, *mut c_void),
    conf_set_error_cb: unsafe extern "C" fn(Handle, Option<ErrorCallback>),
    conf_set_log_cb: unsafe extern "C" fn(Handle, *mut c_void),
    new: unsafe extern "C" fn(c_int, Handle, *mut c_char, usize) -> Handle,
    destroy_flags: unsafe extern "C" fn(Handle, c_int),
    poll_set_consumer: unsafe extern "C" fn(Handle) -> c_int,
    queue_get_consumer: unsafe extern "C" fn(Handle) -> Handle,
    queue_destroy: unsafe extern "C" fn(Handle),
    incremental_assign: unsafe extern "C" fn(Handle, Handle) -> Handle,
    error_destroy: unsafe extern "C" fn(Handle),
    error_code: unsafe extern "C" fn(Handle) -> c_int,
    consume_batch_queue: unsafe extern "C" fn(Handle, c_int, *mut *mut RawMessage, usize) -> isize,
    message_timestamp: unsafe extern "C" fn(*const RawMessage, *mut c_int) -> i64,
    message_errstr: unsafe extern "C" fn(*const RawMessage) -> *const c_char,
    message_headers: unsafe extern "C" fn(*const RawMessage, *mut Handle) -> c_int,
    header_get_all: unsafe extern "C" fn(Handle, usize, *mut *const c_char, *mut *const u8, *mut usize) -> c_int,
    message_destroy: unsafe extern "C" fn(*mut RawMessage),
    list_new: unsafe extern "C" fn(c_int) -> Handle,
    list_add: unsafe extern "C" fn(Handle, *const c_char, i32) -> Handle,
    list_set_offset: unsafe extern "C" fn(Handle, *const c_char, i32, i64) -> c_int,
    list_destroy: unsafe extern "C" fn(Handle),
}

/// librdkafka, loaded.
pub struct Librdkafka {
    functions: Functions,
    /// Keeps the code of the functions in memory.
    _library: Library,
}

/// Why the library, a setting or a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// librdkafka's error code; 0 where it gave none.
    pub code: i32,
    /// Its name, as in `_ALL_BROKERS_DOWN`.
    pub name: String,
    pub text: String,
}

/// A message, or what stands in a message's place: the end of a partition, or an error.
pub struct Message<'a> {
    pub partition: i32,
    pub offset: i64,
    /// Empty for a null.
    pub payload: &'a [u8],
    /// Empty unless they were asked for; a null is an empty value.
    pub headers: Vec<Header<'a>>,
    /// The broker's append time; None: it has another stamp, or none.
    pub appended_ms: Option<i64>,
    pub failure: Option<Failure>,
}

pub const PARTITION_EOF: i32 = -191;

/// Errors that speak of the client as a whole; the callback puts them here.
type Errors = Mutex<Vec<Failure>>;

/// A consumer that is told what to read.
pub struct Client {
    library: Librdkafka,
    client: Handle,
    queue: Handle,
    errors: Box<Errors>,
}

// SAFETY: the functions of librdkafka may be called from any thread, at the same time; the handles are freed in `drop` only.
unsafe impl Send for Client {}
// SAFETY: as above; what changes on our side is behind a mutex.
unsafe impl Sync for Client {}

/// What one call waits for, and whether messages come with their headers.
#[derive(Clone, Copy, Debug)]
pub struct Wants {
    pub timeout_ms: i32,
    pub headers: bool,
}

/// Room for the messages of one call.
pub struct Room(Vec<*mut RawMessage>);

impl Room {
    pub fn new(messages: usize) -> Room {
        Room(vec![std::ptr::null_mut(); messages])
    }
}

// SAFETY: between two calls the pointers are not followed.
unsafe impl Send for Room {}

fn plain(text: impl Into<String>) -> Failure {
    Failure {
        code: 0,
        name: String::new(),
        text: text.into(),
    }
}

fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| plain(format!("a zero byte in {text:?}")))
}

/// The text at a pointer that librdkafka gave; empty for none.
fn text_of(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: librdkafka's texts end in a zero byte, and live at least until the call that they came from is over.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn buffer_text(buffer: &[c_char; TEXT_BYTES]) -> String {
    let bytes: Vec<u8> = buffer.iter().take_while(|b| **b != 0).map(|b| *b as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

macro_rules! look_up {
    ($library:expr, $($field:ident = $name:literal),* $(,)?) => {
        Functions {
            $($field: {
                // SAFETY: the type is the one that rdkafka.h declares for this name.
                let symbol = unsafe { $library.get($name.as_bytes()) };
                *symbol.map_err(|_| plain(format!("the library has no function {}", $name)))?
            }),*
        }
    };
}

impl Librdkafka {
    /// Load the shared object at a path.
    ///
    /// # Errors
    /// It cannot be loaded, or is not librdkafka 2.
    pub fn load(path: &Path) -> Result<Librdkafka, Failure> {
        // SAFETY: the initialisers of librdkafka and of what it needs may run at any time, on any thread.
        let library = unsafe { Library::new(path) }.map_err(|e| plain(e.to_string()))?;
        let functions = look_up!(
            library,
            version = "rd_kafka_version",
            err2str = "rd_kafka_err2str",
            err2name = "rd_kafka_err2name",
            conf_new = "rd_kafka_conf_new",
            conf_destroy = "rd_kafka_conf_destroy",
            conf_set = "rd_kafka_conf_set",
            conf_set_opaque = "rd_kafka_conf_set_opaque",
            conf_set_error_cb = "rd_kafka_conf_set_error_cb",
            conf_set_log_cb = "rd_kafka_conf_set_log_cb",
            new = "rd_kafka_new",
            destroy_flags = "rd_kafka_destroy_flags",
            poll_set_consumer = "rd_kafka_poll_set_consumer",
            queue_get_consumer = "rd_kafka_queue_get_consumer",
            queue_destroy = "rd_kafka_queue_destroy",
            incremental_assign = "rd_kafka_incremental_assign",
            error_destroy = "rd_kafka_error_destroy",
            error_code = "rd_kafka_error_code",
            consume_batch_queue = "rd_kafka_consume_batch_queue",
            message_timestamp = "rd_kafka_message_timestamp",
            message_errstr = "rd_kafka_message_errstr",
            message_headers = "rd_kafka_message_headers",
            header_get_all = "rd_kafka_header_get_all",
            message_destroy = "rd_kafka_message_destroy",
            list_new = "rd_kafka_topic_partition_list_new",
            list_add = "rd_kafka_topic_partition_list_add",
            list_set_offset = "rd_kafka_topic_partition_list_set_offset",
            list_destroy = "rd_kafka_topic_partition_list_destroy",
        );
        // SAFETY: it takes nothing and returns a number.
        let version = unsafe { (functions.version)() };
        if !(VERSION_LEAST..VERSION_BELOW).contains(&version) {
            return Err(plain(format!(
                "librdkafka has version {version:08x}; this reads version 2"
            )));
        }
        Ok(Librdkafka {
            functions,
            _library: library,
        })
    }

    fn failure(&self, code: c_int, text: String) -> Failure {
        // SAFETY: both take any number and return a text that lives as long as the library.
        let (name, meaning) = unsafe { ((self.functions.err2name)(code), (self.functions.err2str)(code)) };
        Failure {
            code,
            name: text_of(name),
            text: if text.is_empty() { text_of(meaning) } else { text },
        }
    }

    /// The settings, each by its own name.
    fn configure(&self, settings: &[(String, String)]) -> Result<Conf<'_>, Failure> {
        // SAFETY: it takes nothing; what it returns is freed once: by `Conf`, or by the client that takes it over.
        let conf = Conf(unsafe { (self.functions.conf_new)() }, self);
        for (name, value) in settings {
            let (name, value) = (c_string(name)?, c_string(value)?);
            let mut text = [0; TEXT_BYTES];
            // SAFETY: the handle is alive, the texts end in zero, and the buffer is as long as is said.
            let set = unsafe {
                (self.functions.conf_set)(conf.0, name.as_ptr(), value.as_ptr(), text.as_mut_ptr(), TEXT_BYTES)
            };
            if set != CONF_OK {
                return Err(plain(buffer_text(&text)));
            }
        }
        Ok(conf)
    }
}

/// A configuration that no client has taken over.
struct Conf<'a>(Handle, &'a Librdkafka);

impl Drop for Conf<'_> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the handle was made by conf_new, no client has taken it over, and it is not used after this.
            unsafe { (self.1.functions.conf_destroy)(self.0) }
        }
    }
}

/// Keeps an error of the client. It is called while our thread is inside of a consume call.
unsafe extern "C" fn keep_error(_client: Handle, code: c_int, reason: *const c_char, opaque: *mut c_void) {
    // SAFETY: the opaque value is the client's box of errors, which outlives the client.
    let errors = unsafe { &*opaque.cast::<Errors>() };
    if let Ok(mut errors) = errors.lock()
        && errors.len() < ERRORS_MAX
    {
        errors.push(Failure {
            code,
            name: String::new(),
            text: text_of(reason),
        });
    }
}

impl Client {
    /// # Errors
    /// A setting is refused: librdkafka says which, and why.
    pub fn open(library: Librdkafka, settings: &[(String, String)]) -> Result<Client, Failure> {
        let errors: Box<Errors> = Box::default();
        let mut conf = library.configure(settings)?;
        let functions = library.functions;
        let mut text = [0; TEXT_BYTES];
        // SAFETY: the configuration is alive; the box of errors lives as long as the client that gets its address; the
        // buffer is as long as is said.
        let client = unsafe {
            (functions.conf_set_opaque)(conf.0, std::ptr::from_ref(&*errors).cast_mut().cast());
            (functions.conf_set_error_cb)(conf.0, Some(keep_error));
            (functions.conf_set_log_cb)(conf.0, std::ptr::null_mut());
            (functions.new)(CONSUMER, conf.0, text.as_mut_ptr(), TEXT_BYTES)
        };
        if client.is_null() {
            return Err(plain(buffer_text(&text)));
        }
        conf.0 = std::ptr::null_mut(); // the client has taken it over
        drop(conf);
        // SAFETY: the client is alive; its queue is given back before it.
        let queue = unsafe {
            (functions.poll_set_consumer)(client);
            (functions.queue_get_consumer)(client)
        };
        Ok(Client {
            library,
            client,
            queue,
            errors,
        })
    }

    fn functions(&self) -> &Functions {
        &self.library.functions
    }

    /// Read further partitions of a topic, each from an offset on.
    ///
    /// # Errors
    /// The client has failed for good.
    pub fn assign(&self, topic: &str, offsets: &[(i32, i64)]) -> Result<(), Failure> {
        let list = self.list(topic, offsets)?;
        // SAFETY: client and list are alive; the list is copied.
        let error = unsafe { (self.functions().incremental_assign)(self.client, list.0) };
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the error is alive, and freed once.
        let code = unsafe {
            let code = (self.functions().error_code)(error);
            (self.functions().error_destroy)(error);
            code
        };
        Err(self.library.failure(code, String::new()))
    }

    fn list(&self, topic: &str, offsets: &[(i32, i64)]) -> Result<List<'_>, Failure> {
        let topic = c_string(topic)?;
        // SAFETY: it takes a number; what it returns is freed once, by `List`.
        let list = List(unsafe { (self.functions().list_new)(offsets.len() as c_int) }, self);
        for &(partition, offset) in offsets {
            // SAFETY: the list is alive and the text ends in zero; both copy it.
            unsafe {
                (self.functions().list_add)(list.0, topic.as_ptr(), partition);
                (self.functions().list_set_offset)(list.0, topic.as_ptr(), partition, offset);
            }
        }
        Ok(list)
    }

    /// Wait until the room is full or the time is over; hand over what came, in order.
    pub fn consume(&self, room: &mut Room, wants: Wants, mut each: impl FnMut(Message<'_>)) {
        // SAFETY: the queue is alive, and the room has as many places as is said.
        let count = unsafe {
            (self.functions().consume_batch_queue)(self.queue, wants.timeout_ms, room.0.as_mut_ptr(), room.0.len())
        };
        for &message in room.0.iter().take(usize::try_from(count).unwrap_or(0)) {
            // SAFETY: so many messages were filled in; each is ours until it is destroyed, at the end of this turn, and
            // nothing of it is kept: `each` cannot hold on to a borrow of any length.
            unsafe {
                each(self.message(&*message, wants.headers));
                (self.functions().message_destroy)(message);
            }
        }
    }

    fn message<'a>(&self, raw: &'a RawMessage, with_headers: bool) -> Message<'a> {
        let payload = match raw.payload.is_null() || raw.err != 0 {
            true => &[],
            // SAFETY: a message's payload has the length that it says, and lives as long as the message.
            false => unsafe { std::slice::from_raw_parts(raw.payload, raw.len) },
        };
        let mut kind = 0;
        // SAFETY: the message is alive, and so is the place for the kind.
        let stamp = unsafe { (self.functions().message_timestamp)(raw, &mut kind) };
        Message {
            partition: raw.partition,
            offset: raw.offset,
            payload,
            headers: if with_headers { self.headers(raw) } else { vec![] },
            appended_ms: (kind == STAMP_APPEND).then_some(stamp),
            failure: (raw.err != 0).then(|| self.message_failure(raw)),
        }
    }

    fn headers<'a>(&self, raw: &'a RawMessage) -> Vec<Header<'a>> {
        let (mut list, mut headers) = (std::ptr::null_mut(), vec![]);
        // SAFETY: the message is alive; the list that it gives belongs to it.
        if raw.err != 0 || unsafe { (self.functions().message_headers)(raw, &mut list) } != 0 {
            return headers;
        }
        let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: the list is alive, and so are the places for what it gives; behind its end it gives an error.
        while unsafe { (self.functions().header_get_all)(list, headers.len(), &mut name, &mut value, &mut size) } == 0 {
            let value = match value.is_null() {
                true => &[],
                // SAFETY: a header's value has the length that it says, and lives as long as the message.
                false => unsafe { std::slice::from_raw_parts(value, size) },
            };
            // SAFETY: a header's name ends in zero, and lives as long as the message.
            headers.push((unsafe { CStr::from_ptr(name) }.to_bytes(), value));
        }
        headers
    }

    fn message_failure(&self, raw: &RawMessage) -> Failure {
        // SAFETY: the message is alive; the text lives as long as it.
        let text = text_of(unsafe { (self.functions().message_errstr)(raw) });
        self.library.failure(raw.err, text)
    }

    /// The client's own errors since the last call, such as a broker that cannot be reached.
    pub fn errors(&self) -> Vec<Failure> {
        let kept = self.errors.lock().map(|mut errors| std::mem::take(&mut *errors));
        let named = kept.unwrap_or_default().into_iter();
        named
            .map(|error| self.library.failure(error.code, error.text))
            .collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: both were made with the client and are not used after this. Positions are not the group's, so it need
        // not be told.
        unsafe {
            (self.functions().queue_destroy)(self.queue);
            (self.functions().destroy_flags)(self.client, DESTROY_WITHOUT_CLOSE);
        }
    }
}

/// Partitions with offsets.
struct List<'a>(Handle, &'a Client);

impl Drop for List<'_> {
    fn drop(&mut self) {
        // SAFETY: the list was made by list_new and is not used after this.
        unsafe { (self.1.functions().list_destroy)(self.0) }
    }
}
