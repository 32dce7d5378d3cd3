//! VOP1: vector instructions of one source.
//! How a line is read: see [`super`].

/// Appends its rows to those given and hands all on to the next macro of the list.
macro_rules! vop1 {
    ([$next:ident $($then:ident)*] $($rows:tt)*) => {
        $next! { [$($then)*] $($rows)*
            V_NOP = Vop1 0 [] [] no_dpp e32;
            V_MOV_B32 = Vop1 1 [B32] [B32] dual(8);
            V_READFIRSTLANE_B32 = Vop1 2 [(B32 Sdst)] [(B32 Vgpr)] anyexec e32 no_dpp;
            V_CVT_I32_F64 = Vop1 3 [I32] [F64] slow;
            V_CVT_F64_I32 = Vop1 4 [F64] [I32] slow;
            V_CVT_F32_I32 = Vop1 5 [F32] [I32];
            V_CVT_F32_U32 = Vop1 6 [F32] [U32];
            V_CVT_U32_F32 = Vop1 7 [U32] [F32];
            V_CVT_I32_F32 = Vop1 8 [I32] [F32];
            V_CVT_F16_F32 = Vop1 10 [F16] [F32];
            V_CVT_F32_F16 = Vop1 11 [F32] [F16];
            V_CVT_NEAREST_I32_F32 = Vop1 12 [I32] [F32] no_omod;
            V_CVT_FLOOR_I32_F32 = Vop1 13 [I32] [F32] no_omod;
            V_CVT_OFF_F32_I4 = Vop1 14 [F32] [B32];
            V_CVT_F32_F64 = Vop1 15 [F32] [F64] slow;
            V_CVT_F64_F32 = Vop1 16 [F64] [F32] slow;
            V_CVT_F32_UBYTE0 = Vop1 17 [F32] [B32];
            V_CVT_F32_UBYTE1 = Vop1 18 [F32] [B32];
            V_CVT_F32_UBYTE2 = Vop1 19 [F32] [B32];
            V_CVT_F32_UBYTE3 = Vop1 20 [F32] [B32];
            V_CVT_U32_F64 = Vop1 21 [U32] [F64] slow;
            V_CVT_F64_U32 = Vop1 22 [F64] [U32] slow;
            V_TRUNC_F64 = Vop1 23 [F64] [F64] slow;
            V_CEIL_F64 = Vop1 24 [F64] [F64] slow;
            V_RNDNE_F64 = Vop1 25 [F64] [F64] slow;
            V_FLOOR_F64 = Vop1 26 [F64] [F64] slow;
            V_MOV_B16 = Vop1 28 [B16] [B16];
            V_FRACT_F32 = Vop1 32 [F32] [F32];
            V_TRUNC_F32 = Vop1 33 [F32] [F32];
            V_CEIL_F32 = Vop1 34 [F32] [F32];
            V_RNDNE_F32 = Vop1 35 [F32] [F32];
            V_FLOOR_F32 = Vop1 36 [F32] [F32];
            V_EXP_F32 = Vop1 37 [F32] [F32] trans;
            V_LOG_F32 = Vop1 39 [F32] [F32] trans;
            V_RCP_F32 = Vop1 42 [F32] [F32] trans;
            V_RCP_IFLAG_F32 = Vop1 43 [F32] [F32] trans;
            V_RSQ_F32 = Vop1 46 [F32] [F32] trans;
            V_RCP_F64 = Vop1 47 [F64] [F64] trans;
            V_RSQ_F64 = Vop1 49 [F64] [F64] trans;
            V_SQRT_F32 = Vop1 51 [F32] [F32] trans;
            V_SQRT_F64 = Vop1 52 [F64] [F64] trans;
            V_SIN_F32 = Vop1 53 [F32] [F32] trans;
            V_COS_F32 = Vop1 54 [F32] [F32] trans;
            V_NOT_B32 = Vop1 55 [B32] [B32];
            V_BFREV_B32 = Vop1 56 [B32] [B32];
            V_CLZ_I32_U32 = Vop1 57 [I32] [U32];
            V_CTZ_I32_B32 = Vop1 58 [I32] [B32];
            V_CLS_I32 = Vop1 59 [I32] [I32];
            V_FREXP_EXP_I32_F64 = Vop1 60 [I32] [F64] slow;
            V_FREXP_MANT_F64 = Vop1 61 [F64] [F64] slow;
            V_FRACT_F64 = Vop1 62 [F64] [F64] slow;
            V_FREXP_EXP_I32_F32 = Vop1 63 [I32] [F32] no_omod;
            V_FREXP_MANT_F32 = Vop1 64 [F32] [F32];
            V_MOVRELD_B32 = Vop1 66 [B32] [B32] rm0;
            V_MOVRELS_B32 = Vop1 67 [B32] [(B32 Vgpr)] rm0;
            V_MOVRELSD_B32 = Vop1 68 [B32] [(B32 Vgpr)] rm0;
            V_MOVRELSD_2_B32 = Vop1 72 [B32] [(B32 Vgpr)] rm0;
            V_CVT_F16_U16 = Vop1 80 [F16] [U16];
            V_CVT_F16_I16 = Vop1 81 [F16] [I16];
            V_CVT_U16_F16 = Vop1 82 [U16] [F16];
            V_CVT_I16_F16 = Vop1 83 [I16] [F16];
            V_RCP_F16 = Vop1 84 [F16] [F16] trans;
            V_SQRT_F16 = Vop1 85 [F16] [F16] trans;
            V_RSQ_F16 = Vop1 86 [F16] [F16] trans;
            V_LOG_F16 = Vop1 87 [F16] [F16] trans;
            V_EXP_F16 = Vop1 88 [F16] [F16] trans;
            V_FREXP_MANT_F16 = Vop1 89 [F16] [F16];
            V_FREXP_EXP_I16_F16 = Vop1 90 [I16] [F16];
            V_FLOOR_F16 = Vop1 91 [F16] [F16];
            V_CEIL_F16 = Vop1 92 [F16] [F16];
            V_TRUNC_F16 = Vop1 93 [F16] [F16];
            V_RNDNE_F16 = Vop1 94 [F16] [F16];
            V_FRACT_F16 = Vop1 95 [F16] [F16];
            V_SIN_F16 = Vop1 96 [F16] [F16] trans;
            V_COS_F16 = Vop1 97 [F16] [F16] trans;
            V_SAT_PK_U8_I16 = Vop1 98 [B16] [B16x2];
            V_CVT_NORM_I16_F16 = Vop1 99 [I16] [F16];
            V_CVT_NORM_U16_F16 = Vop1 100 [U16] [F16];
            V_SWAP_B32 = Vop1 101 [B32] [(B32 Vgpr)] rdst wsrc0 e32 no_dpp;
            V_PERMLANE64_B32 = Vop1 103 [B32] [(B32 Vgpr)] e32 anyexec no_dpp;
            V_SWAPREL_B32 = Vop1 104 [B32] [(B32 Vgpr)] rm0 rdst wsrc0 e32 no_dpp;
            V_NOT_B16 = Vop1 105 [B16] [B16];
            V_CVT_I32_I16 = Vop1 106 [I32] [I16];
            V_CVT_U32_U16 = Vop1 107 [U32] [U16];
        }
    };
}
