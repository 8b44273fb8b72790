/*! The allocator's one setting: keep memory instead of giving it back between two training steps. */

/// `mi_option_purge_delay` in mimalloc's list of options.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// From now on the allocator keeps the pages it has. A training step frees and takes hundreds of megabytes, and having
/// the system clear them again each time costs a tenth of it. For programs whose global allocator is mimalloc: call it
/// first in `main`, while there is one thread.
pub fn keep() {
    // SAFETY: the option exists in mimalloc 2 and 3 and takes any number. Setting it is not synchronised, which is why
    // programs call this before they start a thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) }
}
