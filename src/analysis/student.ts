/**
 * Quantiles of Student's t distribution, for intervals from few points: with one degree of freedom the 95 % quantile is
 * 6.3, where the normal distribution has 1.6. By bisection of its distribution function, which for whole degrees of freedom is
 * a finite sum (Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4).
 */
const BISECTIONS = 200;

/** @param degrees a whole number from 1 on */
export function studentDistribution(t: number, degrees: number): number {
  const angle = Math.atan2(t, Math.sqrt(degrees));
  const cosine2 = Math.cos(angle) ** 2;
  let term = degrees % 2 === 1 ? Math.cos(angle) : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let k = degrees % 2 === 1 ? 3 : 2; k < degrees; k += 2) {
    term *= (cosine2 * (k - 1)) / k;
    sum += term;
  }
  const within =
    degrees % 2 === 1 ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return 0.5 + within / 2;
}

/** @param probability above 0 and below 1 */
export function studentQuantile(probability: number, degrees: number): number {
  if (probability < 0.5) return -studentQuantile(1 - probability, degrees);
  let [low, high] = [0, 1];
  while (studentDistribution(high, degrees) < probability && high < Number.MAX_VALUE / 4) high *= 2;
  for (let i = 0; i < BISECTIONS && low < high; i++) {
    const middle = (low + high) / 2;
    if (studentDistribution(middle, degrees) < probability) low = middle;
    else high = middle;
  }
  return high;
}
