//! Vector registers: AES leaves round keys in them. They would stay until something else uses the registers,
//! and reach the caller's stack if the dynamic linker or a signal saves them.

/// Wipes the vector registers that a call may change, when it is dropped.
pub(super) struct WipeOnDrop;

impl Drop for WipeOnDrop {
    fn drop(&mut self) {
        wipe();
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn wipe() {
    use std::arch::is_x86_feature_detected;

    if !is_x86_feature_detected!("avx") {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { wipe_sse() };
        return;
    }
    // SAFETY: the processor has AVX.
    unsafe { wipe_avx() };
    // Using the upper sixteen costs time, so they are wiped only if AES uses them.
    if is_x86_feature_detected!("vaes") && is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512.
        unsafe { wipe_avx512() };
    }
}

/// # Safety
/// The processor has SSE2.
#[cfg(target_arch = "x86_64")]
unsafe fn wipe_sse() {
    // SAFETY: it changes no memory, and declares all registers that it changes.
    unsafe {
        std::arch::asm!(
            "pxor xmm0, xmm0",
            "pxor xmm1, xmm1",
            "pxor xmm2, xmm2",
            "pxor xmm3, xmm3",
            "pxor xmm4, xmm4",
            "pxor xmm5, xmm5",
            "pxor xmm6, xmm6",
            "pxor xmm7, xmm7",
            "pxor xmm8, xmm8",
            "pxor xmm9, xmm9",
            "pxor xmm10, xmm10",
            "pxor xmm11, xmm11",
            "pxor xmm12, xmm12",
            "pxor xmm13, xmm13",
            "pxor xmm14, xmm14",
            "pxor xmm15, xmm15",
            clobber_abi("C"),
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// # Safety
/// The processor has AVX.
#[cfg(target_arch = "x86_64")]
unsafe fn wipe_avx() {
    // SAFETY: it changes no memory, and declares all registers that it changes.
    unsafe {
        std::arch::asm!(
            "vzeroall",
            clobber_abi("C"),
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// # Safety
/// The processor has AVX-512F.
#[cfg(target_arch = "x86_64")]
unsafe fn wipe_avx512() {
    // SAFETY: it changes no memory, and declares all registers that it changes.
    unsafe {
        std::arch::asm!(
            "vpxord zmm16, zmm16, zmm16",
            "vpxord zmm17, zmm17, zmm17",
            "vpxord zmm18, zmm18, zmm18",
            "vpxord zmm19, zmm19, zmm19",
            "vpxord zmm20, zmm20, zmm20",
            "vpxord zmm21, zmm21, zmm21",
            "vpxord zmm22, zmm22, zmm22",
            "vpxord zmm23, zmm23, zmm23",
            "vpxord zmm24, zmm24, zmm24",
            "vpxord zmm25, zmm25, zmm25",
            "vpxord zmm26, zmm26, zmm26",
            "vpxord zmm27, zmm27, zmm27",
            "vpxord zmm28, zmm28, zmm28",
            "vpxord zmm29, zmm29, zmm29",
            "vpxord zmm30, zmm30, zmm30",
            "vpxord zmm31, zmm31, zmm31",
            clobber_abi("C"),
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// All but the lower halves of v8 to v15, which every function must preserve.
#[cfg(target_arch = "aarch64")]
pub(super) fn wipe() {
    // SAFETY: it changes no memory, and declares all registers that it changes.
    unsafe {
        std::arch::asm!(
            "movi v0.2d, #0",
            "movi v1.2d, #0",
            "movi v2.2d, #0",
            "movi v3.2d, #0",
            "movi v4.2d, #0",
            "movi v5.2d, #0",
            "movi v6.2d, #0",
            "movi v7.2d, #0",
            "movi v16.2d, #0",
            "movi v17.2d, #0",
            "movi v18.2d, #0",
            "movi v19.2d, #0",
            "movi v20.2d, #0",
            "movi v21.2d, #0",
            "movi v22.2d, #0",
            "movi v23.2d, #0",
            "movi v24.2d, #0",
            "movi v25.2d, #0",
            "movi v26.2d, #0",
            "movi v27.2d, #0",
            "movi v28.2d, #0",
            "movi v29.2d, #0",
            "movi v30.2d, #0",
            "movi v31.2d, #0",
            clobber_abi("C"),
            options(nomem, nostack, preserves_flags)
        );
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn wipe() {}
