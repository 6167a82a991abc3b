/** What a probe looks at in a network, whatever computed it. */

/**
 * Activations for all pairs of p elements; row a · p + b, whether the pair trains, validates or (with b = 0 in a division) has no answer.
 */
export interface Activations {
  /** Of the answers, without extra classes, f32[p², p]. */
  readonly logits: Float32Array<ArrayBuffer>;
  /**
   * What the output head reads, f32[p², D]: after the last norm, at the last position or the mean of all; without attention the last
   * neurons, f32[p², M].
   */
  readonly features: Float32Array<ArrayBuffer>;
  /**
   * One layer's neurons after their activation function, pooled in the same way, f32[p², M]. Of the last layer, this is all that reaches
   * the head of them: W_out is linear.
   */
  readonly neurons: Float32Array<ArrayBuffer>;
}
