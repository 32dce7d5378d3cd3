"""Where the manual's text cannot be meant, or cards differ from it; with the reason."""

# Either the whole text of an instruction, or what to replace by what. "gfx1100" are tests of tinygrad's that its authors run
# on an RX 7900, "gfx1200" values that others captured on RDNA 4.
CORRECTIONS = {
    # floor(x + 0.5) rounds twice and loses -0: cards round to nearest even (gfx1200, and what the name says).
    "V_RNDNE_F32": "D0.f32 = nearest_even(S0.f32)",
    "V_RNDNE_F16": "D0.f16 = nearest_even(S0.f16)",
    "V_RNDNE_F64": "D0.f64 = nearest_even(S0.f64)",
    # x - floor(x) may round to 1; cards (gfx1200) and LLVM have the largest number below. Zero is +0 (gfx1200).
    "V_FRACT_F32": "D0.f32 = below_one(S0.f32 + -floor(S0.f32))",
    "V_FRACT_F16": "D0.f16 = below_one(S0.f16 + -floor(S0.f16))",
    "V_FRACT_F64": "D0.f64 = below_one(S0.f64 + -floor(S0.f64))",
    # The accumulator is read, not a third source.
    "V_FMAC_DX9_ZERO_F32": ("D0.f32 = S2.f32", "D0.f32 = D0.f32"),
    # 1.0 / sqrt(x) is rounded once, and the operand of sine and cosine not at all.
    "V_RSQ_F32": "D0.f32 = flushed(rsqrt(flushed(S0.f32)))",
    "V_RSQ_F16": "D0.f16 = rsqrt(S0.f16)",
    "V_RSQ_F64": "D0.f64 = rsqrt(S0.f64)",
    "V_SIN_F32": "D0.f32 = sin_turns(S0.f32)",
    "V_SIN_F16": "D0.f16 = sin_turns(S0.f16)",
    "V_COS_F32": "D0.f32 = cos_turns(S0.f32)",
    "V_COS_F16": "D0.f16 = cos_turns(S0.f16)",
    # "Denormals are flushed", says the manual's prose of these.
    "V_EXP_F32": "D0.f32 = flushed(pow(2.0F, flushed(S0.f32)))",
    "V_EXP_F16": "D0.f16 = pow(16'2.0, S0.f16)",
    "V_LOG_F32": "D0.f32 = flushed(log2(flushed(S0.f32)))",
    "V_RCP_F32": "D0.f32 = flushed(reciprocal(flushed(S0.f32)))",
    "V_RCP_IFLAG_F32": "D0.f32 = flushed(reciprocal(flushed(S0.f32)))",
    "V_SQRT_F32": "D0.f32 = flushed(sqrt(flushed(S0.f32)))",
    "V_RCP_F16": "D0.f16 = reciprocal(S0.f16)",
    "V_RCP_F64": "D0.f64 = reciprocal(S0.f64)",
    # gfx1100 scales by the scale of v_div_scale, up or down, and rounds once (else denormal quotients are wrong).
    "V_DIV_FMAS_F32": (
        "2.0F ** 32 * fma(S0.f32, S1.f32, S2.f32)",
        "fma_scaled(S0.f32, S1.f32, S2.f32, exponent(S2.f32) > 127 ? 64 : -64)",
    ),
    "V_DIV_FMAS_F64": (
        "2.0 ** 64 * fma(S0.f64, S1.f64, S2.f64)",
        "fma_scaled(S0.f64, S1.f64, S2.f64, exponent(S2.f64) > 1023 ? 128 : -128)",
    ),
    # A NaN estimate, which overflow leads to, is infinity on gfx1100. The constant for underflow is not given: what rounds
    # to 0 or to the least denormal by MODE and sign.
    "V_DIV_FIXUP_F32": (
        "D0.f32 = sign_out ? -abs(S0.f32) : abs(S0.f32)",
        "D0.f32 = isNAN(S0.f32) ? (sign_out ? -INF.f32 : +INF.f32) : (sign_out ? -abs(S0.f32) : abs(S0.f32))",
        "sign_out ? -UNDERFLOW_F32 : UNDERFLOW_F32",
        "ldexp(sign_out ? -1.0F : 1.0F, -5000)",
    ),
    "V_DIV_FIXUP_F64": (
        "D0.f64 = sign_out ? -abs(S0.f64) : abs(S0.f64)",
        "D0.f64 = isNAN(S0.f64) ? (sign_out ? -INF.f64 : +INF.f64) : (sign_out ? -abs(S0.f64) : abs(S0.f64))",
        "sign_out ? -UNDERFLOW_F64 : UNDERFLOW_F64",
        "ldexp(sign_out ? -1.0 : 1.0, -5000)",
    ),
    # The text gives a constant's name only.
    "V_TRIG_PREOP_F64": ("64'F((1201'B(2.0 / PI)[1200 : 0] << shift.u32) & 1201'0x1fffffffffffff)", "two_over_pi(shift)"),
    "V_CVT_OFF_F32_I4": "D0.f32 = i32_to_f32(signext_from_bit(S0.u32[3 : 0].i32, 4)) * 0.0625F",
    # VCC is a lane's bit; the flag of 0/x and x/0, the sign of the scale where 1/S1 is denormal and the tests by exponent are
    # what gfx1100 and gfx1200 have. An S0 that is not scaled is the result.
    "V_DIV_SCALE_F32": """
        VCC.u64[laneId] = 1'0U;
        D0.f32 = S0.f32;
        if ((64'F(S2.f32) == 0.0) || (64'F(S1.f32) == 0.0)) then
            VCC.u64[laneId] = 1'1U;
            D0.u32 = 0xffc00000
        elsif exponent(S2.f32) - exponent(S1.f32) >= 96 then
            VCC.u64[laneId] = 1'1U;
            if S0.f32 == S1.f32 then D0.f32 = ldexp(S0.f32, 64) endif
        elsif exponent(S1.f32) == 0 then
            D0.f32 = ldexp(S0.f32, 64)
        elsif (exponent(S1.f32) >= 253) && (exponent(S2.f32) - exponent(S1.f32) <= -126) then
            VCC.u64[laneId] = 1'1U;
            if S0.f32 == S1.f32 then D0.f32 = ldexp(S0.f32, -64) endif
        elsif exponent(S1.f32) >= 253 then
            D0.f32 = ldexp(S0.f32, -64)
        elsif exponent(S2.f32) - exponent(S1.f32) <= -126 then
            VCC.u64[laneId] = 1'1U;
            if S0.f32 == S2.f32 then D0.f32 = ldexp(S0.f32, 64) endif
        elsif exponent(S2.f32) <= 23 then
            D0.f32 = ldexp(S0.f32, 64)
        endif""",
    "V_DIV_SCALE_F64": """
        VCC.u64[laneId] = 1'0U;
        D0.f64 = S0.f64;
        if ((S2.f64 == 0.0) || (S1.f64 == 0.0)) then
            VCC.u64[laneId] = 1'1U;
            D0.u64 = 0xfff8000000000000
        elsif exponent(S2.f64) - exponent(S1.f64) >= 768 then
            VCC.u64[laneId] = 1'1U;
            if S0.f64 == S1.f64 then D0.f64 = ldexp(S0.f64, 128) endif
        elsif exponent(S1.f64) == 0 then
            D0.f64 = ldexp(S0.f64, 128)
        elsif (exponent(S1.f64) >= 2045) && (exponent(S2.f64) - exponent(S1.f64) <= -1022) then
            VCC.u64[laneId] = 1'1U;
            if S0.f64 == S1.f64 then D0.f64 = ldexp(S0.f64, -128) endif
        elsif exponent(S1.f64) >= 2045 then
            D0.f64 = ldexp(S0.f64, -128)
        elsif exponent(S2.f64) - exponent(S1.f64) <= -1022 then
            VCC.u64[laneId] = 1'1U;
            if S0.f64 == S2.f64 then D0.f64 = ldexp(S0.f64, 128) endif
        elsif exponent(S2.f64) <= 53 then
            D0.f64 = ldexp(S0.f64, 128)
        endif""",
    # frexp of zero is zero, and denormals have their true exponent (gfx1200).
    "V_FREXP_EXP_I32_F32": "D0.i32 = frexp_exponent(S0.f32)",
    "V_FREXP_EXP_I32_F64": "D0.i32 = frexp_exponent(S0.f64)",
    "V_FREXP_EXP_I16_F16": "D0.i16 = frexp_exponent(S0.f16)",
    # A NaN becomes quiet (gfx1200); "mantissa" is in [0.5, 1).
    "V_FREXP_MANT_F32": "D0.f32 = frexp_mantissa(S0.f32)",
    "V_FREXP_MANT_F64": "D0.f64 = frexp_mantissa(S0.f64)",
    "V_FREXP_MANT_F16": "D0.f16 = frexp_mantissa(S0.f16)",
    # Which half of a source is an f16 and where the result goes is not the arithmetic's business, and what `in` is filled
    # from the text does not say.
    "V_FMA_MIX_F32": "D0.f32 = fma(S0.f32, S1.f32, S2.f32)",
    "V_FMA_MIXLO_F16": "D0.f16 = f32_to_f16(fma(S0.f32, S1.f32, S2.f32))",
    "V_FMA_MIXHI_F16": "D0.f16 = f32_to_f16(fma(S0.f32, S1.f32, S2.f32))",
}
