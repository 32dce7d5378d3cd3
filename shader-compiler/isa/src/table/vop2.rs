//! VOP2: vector instructions of two sources.
//! How a line is read: see [`super`].

/// Appends its rows to those given and hands all on to the next macro of the list.
macro_rules! vop2 {
    ([$next:ident $($then:ident)*] $($rows:tt)*) => {
        $next! { [$($then)*] $($rows)*
            V_CNDMASK_B32 = Vop2 1 [B32] [B32, B32, Mask] dual(9) signs(0b011, 0b011);
            V_DOT2ACC_F32_F16 = Vop2 2 [F32] [F16x2, F16x2] dot rdst commutes dual(12) e32;
            V_ADD_F32 = Vop2 3 [F32] [F32, F32] commutes dual(4);
            V_SUB_F32 = Vop2 4 [F32] [F32, F32] dual(5);
            V_SUBREV_F32 = Vop2 5 [F32] [F32, F32] dual(6);
            V_FMAC_DX9_ZERO_F32 = Vop2 6 [F32] [F32, F32] rdst commutes no_dpp;
            V_MUL_DX9_ZERO_F32 = Vop2 7 [F32] [F32, F32] commutes dual(7);
            V_MUL_F32 = Vop2 8 [F32] [F32, F32] commutes dual(3);
            V_MUL_I32_I24 = Vop2 9 [I32] [I32, I32] commutes clamp;
            V_MUL_HI_I32_I24 = Vop2 10 [I32] [I32, I32] commutes;
            V_MUL_U32_U24 = Vop2 11 [U32] [U32, U32] commutes clamp;
            V_MUL_HI_U32_U24 = Vop2 12 [U32] [U32, U32] commutes;
            V_MIN_F32 = Vop2 15 [F32] [F32, F32] commutes dual(11);
            V_MAX_F32 = Vop2 16 [F32] [F32, F32] commutes dual(10);
            V_MIN_I32 = Vop2 17 [I32] [I32, I32] commutes;
            V_MAX_I32 = Vop2 18 [I32] [I32, I32] commutes;
            V_MIN_U32 = Vop2 19 [U32] [U32, U32] commutes;
            V_MAX_U32 = Vop2 20 [U32] [U32, U32] commutes;
            V_LSHLREV_B32 = Vop2 24 [B32] [U32, B32] dual_y(17);
            V_LSHRREV_B32 = Vop2 25 [B32] [U32, B32];
            V_ASHRREV_I32 = Vop2 26 [I32] [U32, I32];
            V_AND_B32 = Vop2 27 [B32] [B32, B32] commutes dual_y(18);
            V_OR_B32 = Vop2 28 [B32] [B32, B32] commutes;
            V_XOR_B32 = Vop2 29 [B32] [B32, B32] commutes;
            V_XNOR_B32 = Vop2 30 [B32] [B32, B32] commutes;
            V_ADD_CO_CI_U32 = Vop2 32 [U32, Mask] [U32, U32, Mask] commutes clamp;
            V_SUB_CO_CI_U32 = Vop2 33 [U32, Mask] [U32, U32, Mask] clamp;
            V_SUBREV_CO_CI_U32 = Vop2 34 [U32, Mask] [U32, U32, Mask] clamp;
            V_ADD_NC_U32 = Vop2 37 [U32] [U32, U32] commutes dual_y(16) clamp;
            V_SUB_NC_U32 = Vop2 38 [U32] [U32, U32] clamp;
            V_SUBREV_NC_U32 = Vop2 39 [U32] [U32, U32] clamp;
            V_FMAC_F32 = Vop2 43 [F32] [F32, F32] rdst commutes dual(0);
            V_FMAMK_F32 = Vop2 44 [F32] [F32, (F32 Literal), (F32 Vgpr)] dual(2) e32 no_dpp;
            V_FMAAK_F32 = Vop2 45 [F32] [F32, F32, (F32 Literal)] commutes dual(1) e32 no_dpp;
            V_CVT_PK_RTZ_F16_F32 = Vop2 47 [F16x2] [F32, F32];
            V_ADD_F16 = Vop2 50 [F16] [F16, F16] commutes;
            V_SUB_F16 = Vop2 51 [F16] [F16, F16];
            V_SUBREV_F16 = Vop2 52 [F16] [F16, F16];
            V_MUL_F16 = Vop2 53 [F16] [F16, F16] commutes;
            V_FMAC_F16 = Vop2 54 [F16] [F16, F16] rdst commutes;
            V_FMAMK_F16 = Vop2 55 [F16] [F16, (F16 Literal), (F16 Vgpr)] e32 no_dpp;
            V_FMAAK_F16 = Vop2 56 [F16] [F16, F16, (F16 Literal)] commutes e32 no_dpp;
            V_MAX_F16 = Vop2 57 [F16] [F16, F16] commutes;
            V_MIN_F16 = Vop2 58 [F16] [F16, F16] commutes;
            V_LDEXP_F16 = Vop2 59 [F16] [F16, I16];
            V_PK_FMAC_F16 = Vop2 60 [F16x2] [F16x2, F16x2] rdst commutes e32;
        }
    };
}
