//! VOP3P: packed 16-bit arithmetic, dot products, mixed FMA, WMMA; and the row of VOPD.
//! How a line is read: see [`super`].

/// Appends its rows to those given and hands all on to the next macro of the list.
macro_rules! vop3p {
    ([$next:ident $($then:ident)*] $($rows:tt)*) => {
        $next! { [$($then)*] $($rows)*
            V_PK_MAD_I16 = Vop3p 0 [B16x2] [B16x2, B16x2, B16x2] commutes;
            V_PK_MUL_LO_U16 = Vop3p 1 [B16x2] [B16x2, B16x2] commutes;
            V_PK_ADD_I16 = Vop3p 2 [B16x2] [B16x2, B16x2] commutes;
            V_PK_SUB_I16 = Vop3p 3 [B16x2] [B16x2, B16x2];
            V_PK_LSHLREV_B16 = Vop3p 4 [B16x2] [B16x2, B16x2];
            V_PK_LSHRREV_B16 = Vop3p 5 [B16x2] [B16x2, B16x2];
            V_PK_ASHRREV_I16 = Vop3p 6 [B16x2] [B16x2, B16x2];
            V_PK_MAX_I16 = Vop3p 7 [B16x2] [B16x2, B16x2] commutes;
            V_PK_MIN_I16 = Vop3p 8 [B16x2] [B16x2, B16x2] commutes;
            V_PK_MAD_U16 = Vop3p 9 [B16x2] [B16x2, B16x2, B16x2] commutes;
            V_PK_ADD_U16 = Vop3p 10 [B16x2] [B16x2, B16x2] commutes;
            V_PK_SUB_U16 = Vop3p 11 [B16x2] [B16x2, B16x2];
            V_PK_MAX_U16 = Vop3p 12 [B16x2] [B16x2, B16x2] commutes;
            V_PK_MIN_U16 = Vop3p 13 [B16x2] [B16x2, B16x2] commutes;
            V_PK_FMA_F16 = Vop3p 14 [F16x2] [F16x2, F16x2, F16x2] commutes signs(0b111, 0b111);
            V_PK_ADD_F16 = Vop3p 15 [F16x2] [F16x2, F16x2] commutes signs(0b011, 0b011);
            V_PK_MUL_F16 = Vop3p 16 [F16x2] [F16x2, F16x2] commutes signs(0b011, 0b011);
            V_PK_MIN_F16 = Vop3p 17 [F16x2] [F16x2, F16x2] commutes signs(0b011, 0b011);
            V_PK_MAX_F16 = Vop3p 18 [F16x2] [F16x2, F16x2] commutes signs(0b011, 0b011);
            V_DOT2_F32_F16 = Vop3p 19 [F32] [F16x2, F16x2, F32] dot commutes dpp op_sel(0) signs(0b111, 0b011);
            V_DOT4_I32_IU8 = Vop3p 22 [I32] [B8x4, B8x4, I32] dot commutes signs(0b011, 0);
            V_DOT4_U32_U8 = Vop3p 23 [U32] [B8x4, B8x4, U32] dot commutes;
            V_DOT8_I32_IU4 = Vop3p 24 [I32] [B8x4, B8x4, I32] dot commutes signs(0b011, 0);
            V_DOT8_U32_U4 = Vop3p 25 [U32] [B8x4, B8x4, U32] dot commutes;
            V_DOT2_F32_BF16 = Vop3p 26 [F32] [Bf16x2, Bf16x2, F32] dot commutes op_sel(0) signs(0b111, 0b011);
            V_FMA_MIX_F32 = Vop3p 32 [F32] [F32, F32, F32] commutes dpp op_sel(0b0111) signs(0b111, 0b111);
            V_FMA_MIXLO_F16 = Vop3p 33 [F16] [F32, F32, F32] commutes rdst dpp op_sel(0b0111) signs(0b111, 0b111);
            V_FMA_MIXHI_F16 = Vop3p 34 [F16] [F32, F32, F32] commutes rdst dpp op_sel(0b0111) signs(0b111, 0b111);
            V_WMMA_F32_16X16X16_F16 = Vop3p 64 [B256] [(B256 Vgpr), (B256 Vgpr), (B256 Vinline)] wmma signs(0b111, 0b111) no_clamp;
            V_WMMA_F32_16X16X16_BF16 = Vop3p 65 [B256] [(B256 Vgpr), (B256 Vgpr), (B256 Vinline)] wmma signs(0b111, 0b111) no_clamp;
            V_WMMA_F16_16X16X16_F16 = Vop3p 66 [B256] [(B256 Vgpr), (B256 Vgpr), (B256 Vinline)] wmma rdst signs(0b111, 0b111) no_clamp op_sel(0b0100);
            V_WMMA_BF16_16X16X16_BF16 = Vop3p 67 [B256] [(B256 Vgpr), (B256 Vgpr), (B256 Vinline)] wmma rdst signs(0b111, 0b111) no_clamp op_sel(0b0100);
            V_WMMA_I32_16X16X16_IU8 = Vop3p 68 [B256] [(B128 Vgpr), (B128 Vgpr), (B256 Vinline)] wmma signs(0b011, 0);
            V_WMMA_I32_16X16X16_IU4 = Vop3p 69 [B256] [(B64 Vgpr), (B64 Vgpr), (B256 Vinline)] wmma signs(0b011, 0);
            V_DUAL = Vopd 0 [] [];
        }
    };
}
