//! `fork()`: the child has only the thread that forked. A lock that another thread holds at that
//! moment would never be released in the child.

use std::cell::Cell;
use std::ffi::c_int;
use std::hint::black_box;
use std::mem::ManuallyDrop;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "aws-lc")]
use crate::crypto::drawing;
use crate::crypto::{default_key_pair, fork_generation};
use crate::endpoint::transport::lookup;
use crate::log;

/// All locks of the library. While they are held, no other thread is in the middle of changing what
/// they protect.
struct AllLocks {
    #[cfg(feature = "aws-lc")]
    drawing: MutexGuard<'static, drawing::State>,
    key_pair: MutexGuard<'static, default_key_pair::State>,
    lookups: MutexGuard<'static, lookup::State>,
    log: MutexGuard<'static, log::State>,
}

impl AllLocks {
    fn take() -> Self {
        Self {
            // The first: who has another lock draws nothing, but who draws may take one.
            #[cfg(feature = "aws-lc")]
            drawing: drawing::stop(),
            key_pair: default_key_pair::lock(),
            lookups: lookup::lock(),
            log: log::lock(),
        }
    }

    fn release_in_parent(self) {
        #[cfg(feature = "aws-lc")]
        drawing::go_on(self.drawing);
    }

    /// In the child, what other threads were doing will never be finished.
    fn reset_in_child(mut self) {
        fork_generation::advance_in_child();
        #[cfg(feature = "aws-lc")]
        self.drawing.reset_in_child();
        self.key_pair.reset_in_child();
        self.lookups.reset_in_child();
        self.log.reset_in_child();
    }
}

unsafe extern "C" {
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
}

thread_local! {
    /// The locks of the library, from before a fork of this thread until after it. Without a
    /// destructor, because a thread may fork while its thread-local values are being destroyed.
    static LOCKS: Cell<Option<ManuallyDrop<AllLocks>>> = const { Cell::new(None) };
}

/// Before `main()`, or when the library is loaded: the handlers of a program that registers its own
/// later run before these at a fork, and after them in the child. So the program may hold locks of
/// its handlers while it calls the library, and its handler in the child may call the library. The
/// number puts it before the program's own constructors where it is linked statically.
// SAFETY: the linker's section of functions to call at that time; each is called once, and may
// ignore the arguments that some C libraries pass.
#[used]
#[cfg_attr(
    target_vendor = "apple",
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(
    not(target_vendor = "apple"),
    unsafe(link_section = ".init_array.00101")
)]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    // Some allocators register handlers at the first allocation: before these, because threads
    // allocate while they hold the library's locks.
    drop(black_box(Box::new(0_u8)));
    register_handlers_once();
}

/// Registers the fork handlers, once. Every function calls it, because a linker can leave out
/// [`AT_LOAD`] where this is linked as a Rust crate.
pub(super) fn register_handlers_once() {
    static IS_REGISTERED: AtomicBool = AtomicBool::new(false);
    if !IS_REGISTERED.load(Ordering::Relaxed) && !IS_REGISTERED.swap(true, Ordering::Relaxed) {
        // SAFETY: the three functions have the right type. If there is no memory to register them,
        // forks behave as without this module.
        unsafe { pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
    }
}

unsafe extern "C" fn before() {
    LOCKS.set(Some(ManuallyDrop::new(AllLocks::take())));
}

unsafe extern "C" fn after_in_parent() {
    if let Some(held) = LOCKS.take() {
        ManuallyDrop::into_inner(held).release_in_parent();
    }
}

unsafe extern "C" fn after_in_child() {
    if let Some(held) = LOCKS.take() {
        ManuallyDrop::into_inner(held).reset_in_child();
    }
}
