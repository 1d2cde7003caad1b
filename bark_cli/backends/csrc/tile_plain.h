/* Any processor: what the other tiles must equal. */
enum { BIAS = 0, BYTES = 1 };

static inline void begin_tiles(void) {}
static inline void end_tiles(void) {}
static inline void arrange(uint8_t *row, int columns) { (void)row, (void)columns; }

static void plain_1(const int8_t *lines, const uint8_t *inputs, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    const int8_t *x = (const int8_t *)inputs;
    (void)stride;
    for (int c = 0; c < columns; c += 4, x += 4)
        for (int row = 0; row < ROWS; row++, lines += 4)
            sums[0][row] += lines[0] * x[0] + lines[1] * x[1] + lines[2] * x[2] + lines[3] * x[3];
}

static const Tile tiles[] = {{1, plain_1}};
