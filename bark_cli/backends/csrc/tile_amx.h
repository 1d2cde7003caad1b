/* AMX: 16 lines of a block are what it calls a tile, 64 columns of 16 rows; fewer inputs than 16 go to VNNI. */
#include "tile_vnni.h"

/* Every thread says what tiles look like before it multiplies. */
static inline void begin_tiles(void) {
    struct { uint8_t palette, start, unused[14]; uint16_t bytes[16]; uint8_t rows[16]; } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) shape.bytes[i] = 64, shape.rows[i] = 16;
    _tile_loadconfig(&shape);
}
static inline void end_tiles(void) { _tile_release(); }

/* 32 inputs */
static void amx_32(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    int c = 0;
    _tile_loadd(0, sums[0], 64);
    _tile_loadd(1, sums[16], 64);
    for (; c + 64 <= columns; c += 64) {
        _tile_loadd(4, lines + 16 * (size_t)c, 64);
        _tile_loadd(2, x + c, stride);
        _tile_dpbusd(0, 2, 4);
        _tile_loadd(3, x + 16 * stride + c, stride);
        _tile_dpbusd(1, 3, 4);
    }
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[16], 64);
    if (c == columns) return;
    vnni_16(lines + 16 * (size_t)c, x + c, stride, columns - c, sums);
    vnni_16(lines + 16 * (size_t)c, x + 16 * stride + c, stride, columns - c, sums + 16);
}

/* 16 inputs */
static void amx_16(const int8_t *lines, const uint8_t *x, size_t stride, int columns, int32_t (*sums)[ROWS]) {
    int c = 0;
    _tile_loadd(0, sums[0], 64);
    for (; c + 64 <= columns; c += 64) {
        for (int line = 0; line < 16; line++) __builtin_prefetch(lines + 16 * (size_t)c + 64 * line + AHEAD);
        _tile_loadd(4, lines + 16 * (size_t)c, 64);
        _tile_loadd(2, x + c, stride);
        _tile_dpbusd(0, 2, 4);
    }
    _tile_stored(0, sums[0], 64);
    if (c < columns) vnni_16(lines + 16 * (size_t)c, x + c, stride, columns - c, sums);
}

static const Tile tiles[] = {{32, amx_32}, {16, amx_16}, {8, vnni_8}, {4, vnni_4}, {2, vnni_2}, {1, vnni_1}};
