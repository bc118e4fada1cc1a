/* Random draws that repeat, and percentile intervals of them, for the interactive pages. */

function generator(seed) {
  return () => {  // mulberry32
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/* The 2.5th and 97.5th percentile of what a statistic gives; what is undefined does not count. */
function interval(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return [0.025, 0.975].map((share) => {
    const place = share * (sorted.length - 1), low = Math.floor(place);
    return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  });
}
