/*! Lets a test run the composed form of every operation on the CPU. */

use std::cell::Cell;

use burn::prelude::*;

thread_local! {
    static COMPOSED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with the composed form of every operation that this thread calls.
pub(crate) fn composed<R>(work: impl FnOnce() -> R) -> R {
    COMPOSED.set(true);
    let result = work();
    COMPOSED.set(false);
    result
}

/// As in a build without tests, except inside [`composed`].
pub(super) fn has_kernels(device: &Device) -> bool {
    !COMPOSED.get() && super::device::is_cpu(device)
}
