/** Longer paths match no pattern: nobody writes a row for them, and who sends them chooses their length. */
const MAX_PATH = 2048;
const SLASH = 47;
/** States in one word of a bit set. */
const BITS = 32;

/**
 * A pattern of paths: `*` is anything within a segment, `**` anything at all, every other character is itself. All
 * states of the pattern are followed at once, one bit each (the Shift-And of Baeza-Yates and Gonnet, 1992), so that no
 * path makes it go back: the time is the length of the path times the words of the pattern, seven at the most.
 */
export class Glob {
  /** What comes before the first star. Most paths are told apart by it alone. */
  readonly #prefix: string;
  readonly #words: number;
  /** The state in which all of the pattern has been seen. */
  readonly #end: number;
  /** States that a character moves on by one. */
  readonly #moves = new Map<number, Uint32Array>();
  /** States before a star, and those of them that a slash does not leave. */
  readonly #stars: Uint32Array;
  readonly #across: Uint32Array;
  /** States reached so far; filled anew for each path. */
  readonly #states: Uint32Array;

  constructor(pattern: string) {
    const star = pattern.indexOf("*");
    this.#prefix = star < 0 ? pattern : pattern.slice(0, star);
    const tokens = pattern.slice(this.#prefix.length).match(/\*+|[^*]/gs) ?? [];
    this.#end = tokens.length;
    this.#words = Math.floor(tokens.length / BITS) + 1;
    this.#stars = new Uint32Array(this.#words);
    this.#across = new Uint32Array(this.#words);
    this.#states = new Uint32Array(this.#words);
    tokens.forEach((token, state) => {
      this.#read(token, state);
    });
  }

  /** `path`: without its query. */
  matches(path: string): boolean {
    if (!path.startsWith(this.#prefix) || path.length > MAX_PATH) return false;
    if (this.#end === 0) return path.length === this.#prefix.length;
    this.#states.fill(0);
    this.#states[0] = this.#stars[0]! & 1 ? 0b11 : 0b1;
    for (let i = this.#prefix.length; i < path.length; i++) if (!this.#step(path.charCodeAt(i))) return false;
    return has(this.#states, this.#end);
  }

  #read(token: string, state: number): void {
    if (token.startsWith("*")) {
      add(this.#stars, state);
      if (token.length > 1) add(this.#across, state);
      return;
    }
    const code = token.charCodeAt(0);
    let moved = this.#moves.get(code);
    if (moved === undefined) this.#moves.set(code, (moved = new Uint32Array(this.#words)));
    add(moved, state);
  }

  /** Takes in one character; false when no state is left. */
  #step(code: number): boolean {
    const states = this.#states;
    const moves = this.#moves.get(code);
    const stays = code === SLASH ? this.#across : this.#stars;
    let any = 0;
    let moved = 0;
    let passed = 0;
    for (let w = 0; w < this.#words; w++) {
      const now = states[w]!;
      const moving = moves === undefined ? 0 : now & moves[w]!;
      const next = (moving << 1) | moved | (now & stays[w]!);
      moved = moving >>> 31;
      // A star may stand for nothing: its state is the next one too. No two stars are neighbours.
      const passing = next & this.#stars[w]!;
      states[w] = next | (passing << 1) | passed;
      passed = passing >>> 31;
      any |= states[w]!;
    }
    return any !== 0;
  }
}

function add(set: Uint32Array, state: number): void {
  set[state >>> 5]! |= 1 << (state & 31);
}

function has(set: Uint32Array, state: number): boolean {
  return (set[state >>> 5]! & (1 << (state & 31))) !== 0;
}
