/*!
The choice between the two forms of an operation: the fused form on the CPU, the composed form on a GPU.

A test can run the composed form on the CPU.
*/

#[cfg(not(test))]
pub(super) use crate::ops::device::is_cpu as has_kernels;
#[cfg(test)]
pub(super) use testing::has_kernels;

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::Cell;

    use burn::prelude::*;

    use crate::ops::device::is_cpu;

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
    pub(in crate::ops) fn has_kernels(device: &Device) -> bool {
        !COMPOSED.get() && is_cpu(device)
    }
}
