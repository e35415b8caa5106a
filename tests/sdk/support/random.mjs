// Choices that a seed repeats: mulberry32.
export function random(seed) {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound) => Math.floor(fraction() * bound);
  return {
    below,
    chance: (probability) => fraction() < probability,
    pick: (list) => list[below(list.length)],
    /** @param {[number, T][]} choices each with its weight */
    weighted(choices) {
      let left = below(choices.reduce((sum, [weight]) => sum + weight, 0));
      for (const [weight, choice] of choices) {
        left -= weight;
        if (left < 0) return choice;
      }
      throw new Error("a weight is missing");
    },
  };
}
