/** "Did you mean …?": the nearest known word to a mistyped one. [pure] */

/**
 * Edits between two words: insert, delete, replace, and swap of two neighbours (Damerau–Levenshtein in its
 * optimal string alignment form, where no part is edited twice).
 */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}

/**
 * The known word nearest to `word`, or null when none is near: at most a third of the letters differ, or one
 * is the beginning of the other (rate_multiplier, rate_multiple). Case and -/_ count for nothing.
 */
export function nearest(word: string, known: readonly string[]): string | null {
  const plain = (text: string) => text.toLowerCase().replaceAll("-", "_");
  // Longer words cannot be near any of ours, and the distance costs the product of both lengths.
  if (word.length > 64) return null;
  let best: string | null = null;
  let bestScore = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(plain(word), plain(candidate));
    const start = commonStart(plain(word), plain(candidate));
    const isNear = distance <= Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    const isBeginning = start >= Math.max(4, Math.min(word.length, candidate.length) - 1);
    // Of two equally near words the one that begins alike is meant: people mistype ends, not beginnings.
    const score = distance - start / 100;
    if ((isNear || isBeginning) && score < bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

function commonStart(a: string, b: string): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}
