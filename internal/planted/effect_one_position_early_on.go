//go:build planted_effect_one_position_early

package planted

// EffectOnePositionEarly: answers leave when their commit begins.
const EffectOnePositionEarly = true
