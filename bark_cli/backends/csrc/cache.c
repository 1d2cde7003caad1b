/* Positions of a sequence -> its cache. See cache.h. */
#include "cache.h"

#include <math.h>
#include <string.h>

/* Where a key lies: as one of the 16 rows of a block, four of its numbers to a line. */
static int8_t *key_of(const Span *span, int size, int place) {
    return keys_of(span) + (size_t)(place / ROWS) * ROWS * whole_lines(size) + place % ROWS * 4;
}

/* The mean of the first span's keys, as they are kept. */
static void find_common(const Span *first, int size) {
    float *common = common_of(first, size);
    memset(common, 0, sizeof(float) * (size_t)size);
    for (int place = 0; place < SPAN; place++) {
        const int8_t *key = key_of(first, size, place);
        float step = first->key_step[place] / SPAN;
        for (int i = 0; i < size; i++) common[i] += step * (float)key[i / 4 * 4 * ROWS + i % 4];
    }
}

/* `common` (size,) is taken from it, if there is any. */
static void keep_key(Span *span, int size, int place, const float *key, const float *common, uint8_t *row) {
    int whole = whole_lines(size), total = 0;
    int8_t *to = key_of(span, size, place);
    float *own = (float *)(row + whole_blocks(size));
    for (int i = 0; i < size; i++) own[i] = common ? key[i] - common[i] : key[i];
    memset(row + size, 0, (size_t)(whole - size));
    span->key_step[place] = round_row(own, size, 0, row);
    for (int i = 0; i < size; i++) total += (int8_t)row[i];
    span->key_total[place] = total;
    for (int i = 0; i < whole; i += 4) memcpy(to + (size_t)i * ROWS, row + i, 4);
}

/* A value as one of the four columns of a line: 16 of its numbers to a block. */
static void keep_value(Span *span, int size, int place, const float *value, uint8_t *row) {
    int8_t *to = values_of(span, size) + place / 4 * 4 * ROWS + place % 4;
    float step = round_row(value, size, 0, row);
    if (step == 0.0f) step = 1.0f; /* of zeros */
    span->value_power[place] = log2f(step);
    span->value_inverse[place] = 1.0f / step;
    memset(row + size, 0, (size_t)(whole_blocks(size) - size));
    for (int block = 0; block < size; block += ROWS, to += SPAN * ROWS)
        for (int i = 0; i < ROWS; i++) to[4 * i] = (int8_t)row[block + i];
}

void keep_positions(const Network *net, uint8_t *cache, int layer, int head, int first, int count, const float *key,
                    const float *value, size_t apart, uint8_t *row) {
    int size = net->width / net->n_head;
    const Span *begin = span_of(net, cache, layer, head, 0);
    for (int position = first; position < first + count; position++, key += apart, value += apart) {
        Span *span = span_of(net, cache, layer, head, position);
        int place = position % SPAN;
        if (place == 0) memset(span, 0, sizeof(Span)); /* what is not kept yet meets zeros: it must be numbers */
        if (position == SPAN) find_common(begin, size);
        keep_key(span, size, place, key, position < SPAN ? NULL : common_of(begin, size), row);
        keep_value(span, size, place, value, row);
    }
}
