/**
 * Numbers of the operations of a record. Both compilers read this file: TypeScript writes records with them, AssemblyScript replays them.
 * A record is a row of 32-bit words: opcode, words in all, whether a barrier stands before it, then its arguments in the order that the
 * kernel's comment gives. Addresses are bytes from the run's arena; 0 says "none".
 */
/** Words before the arguments. */
export const HEADER = 3;

export const REST = 1;
export const SAMPLE = 2;
export const LISTS = 3;
export const CHUNK = 4;
export const EMBED = 5;
export const GATHER = 6;
export const PACK = 7;
export const PACK_TRANSPOSED = 8;
export const PRODUCT = 9;
export const WEIGHT_GRADIENT = 10;
export const COLUMN_SUMS = 11;
export const ADD_PARTS = 12;
export const NORM = 13;
export const NORM_BACKWARD = 14;
export const ATTENTION = 15;
export const ATTENTION_BACKWARD = 16;
export const FOLD = 17;
export const POOL = 18;
export const LOSS = 19;
export const UPDATE = 20;
export const END_OF_STEP = 21;
export const END_OF_CHUNK = 22;
export const END_OF_EVALUATION = 23;
export const ATTENTION_SUMMARY = 24;
export const GRADIENT_FILTER = 25;
export const ORTHOGONAL_GRADIENT = 26;
export const MUON_START = 27;
export const MUON_POLYNOMIAL = 28;
export const MUON_END = 29;
export const CLIP_ROWS = 30;
export const HOLD_NORM = 31;
export const PAIRS = 32;
export const UNIFORM_ATTENTION = 33;
export const UNIFORM_ATTENTION_BACKWARD = 34;
export const NOISY_RIGHT = 35;

/** Rules of an update, schedules of its learning rate, and filters of its gradient. A kernel traps on a number that it has no case for. */
export const RULE_ADAMW = 0;
export const RULE_ADAM = 1;
export const RULE_SGD = 2;
export const RULE_SIGNSGD = 3;
export const RULE_LION = 4;
export const SCHEDULE_CONSTANT = 0;
export const SCHEDULE_COSINE = 1;
export const SCHEDULE_LINEAR = 2;
export const FILTER_EMA = 0;
export const FILTER_MA = 1;

/** What follows a product, on its own rows: nothing; an activation; a factor; the slope of an activation as a factor. */
export const AFTER_NOTHING = 0;
export const AFTER_GELU = 1;
export const AFTER_RELU = 2;
export const AFTER_FACTOR = 3;
export const AFTER_GELU_SLOPE = 4;
export const AFTER_RELU_SLOPE = 5;
export const AFTER_SQUARE = 6;
export const AFTER_SQUARE_SLOPE = 7;

/** Kinds of loss: cross-entropy, which one says the run; StableMax's; mean square. */
export const LOSS_CROSS_ENTROPY = 0;
export const LOSS_STABLEMAX = 1;
export const LOSS_MSE = 2;

/** Rows that a weight gradient sums before it adds them to what it has: part of the arithmetic, never of the tile. */
export const ROWS_OF_A_SUM = 512;
/**
 * Parts that the rows of a LayerNorm's gradient are cut into, each summed by itself: part of the arithmetic, never the number of threads.
 */
export const NORM_PARTS = 16;

/** How an index finds its row: by itself, or by a or b of its pair. */
export const BY_INDEX = 0;
export const BY_A = 1;
export const BY_B = 2;

/**
 * Rows that pass through all panels of a product before the next ones, a multiple of six: packed in strips they lie in the second cache. No
 * bit depends on it.
 */
export const ROWS_OF_A_BLOCK = 48;
/** Columns of the wider of the two tiles: packed panels have room for it. */
export const WIDEST = 16;
/** Bytes of a worker's scratch before strips and panels: one tile, and one stretch of an activation. */
export const SCRATCH_HEAD = 8192;
