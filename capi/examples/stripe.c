/* Encodes a stripe, loses columns, recovers them and compares; updates part of one; then the shape of ISA-L.
 *
 * cc -I capi/include capi/examples/stripe.c -lraincodec -lpthread -ldl -lm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rain.h"

#define COLUMNS_MAX 64

static int failures = 0;

static void expect(RainStatus status, RainStatus expected, const char *what) {
  if (status != expected) {
    fprintf(stderr, "%s: %s, expected: %s\n", what, rain_strerror(status), rain_strerror(expected));
    failures++;
  }
}

static void same(const uint8_t *left, const uint8_t *right, size_t len, const char *what) {
  if (memcmp(left, right, len) != 0) {
    fprintf(stderr, "%s: the bytes differ\n", what);
    failures++;
  }
}

static uint8_t *allocate(size_t len) {
  uint8_t *bytes = malloc(len);
  if (bytes == NULL) {
    fprintf(stderr, "out of memory\n");
    exit(2);
  }
  return bytes;
}

/* A stripe in memory: encode, lose, recover, verify. */
static void stripe(const RainCodec *codec, const RainShape *shape, size_t data_len) {
  size_t column_len = 0;
  expect(rain_column_len(codec, data_len, &column_len), RAIN_STATUS_OK, "column_len");
  uint8_t *data = allocate(data_len), *found = allocate(data_len), *sound = allocate(column_len);
  for (size_t at = 0; at < data_len; at++) data[at] = (uint8_t)(at * 2654435761u >> 7);

  uint8_t *columns[COLUMNS_MAX];
  const uint8_t *readable[COLUMNS_MAX];
  for (size_t column = 0; column < shape->columns; column++) {
    columns[column] = allocate(column_len);
    readable[column] = columns[column];
  }
  expect(rain_put(codec, data, data_len, columns, column_len), RAIN_STATUS_OK, "put");
  expect(rain_encode(codec, columns, column_len), RAIN_STATUS_OK, "encode");
  expect(rain_verify(codec, readable, column_len), RAIN_STATUS_OK, "verify");

  /* Every run of as many neighbours as may be lost. */
  for (size_t first = 0; first < shape->columns; first++) {
    size_t lost[COLUMNS_MAX];
    for (size_t number = 0; number < shape->tolerates; number++) {
      lost[number] = (first + number) % shape->columns;
      memset(columns[lost[number]], 0xa5, column_len);
    }
    expect(rain_recover(codec, columns, column_len, lost, shape->tolerates), RAIN_STATUS_OK, "recover");
    expect(rain_verify(codec, readable, column_len), RAIN_STATUS_OK, "verify what was recovered");
  }
  expect(rain_get(codec, readable, column_len, found, data_len), RAIN_STATUS_OK, "get");
  same(data, found, data_len, "the data");

  /* One bit is noticed, and the column that has it can be made anew. */
  memcpy(sound, columns[0], column_len);
  columns[0][column_len / 2] ^= 4;
  expect(rain_verify(codec, readable, column_len), RAIN_STATUS_MISMATCH, "verify a damaged stripe");
  size_t damaged = 0;
  expect(rain_recover(codec, columns, column_len, &damaged, 1), RAIN_STATUS_OK, "recover the damaged one");
  same(sound, columns[0], column_len, "the damaged column");

  for (size_t column = 0; column < shape->columns; column++) free(columns[column]);
  free(data), free(found), free(sound);
}

static uint8_t *cell_at(uint8_t *const *columns, const RainCell *cell, size_t cell_len) {
  return columns[cell->column] + cell->row * cell_len;
}

/* Overwriting part of the data: the parity changes with it, as if all were encoded anew. */
static void update(const RainCodec *codec, const RainShape *shape, size_t cell_len) {
  size_t column_len = cell_len * shape->rows, data_len = cell_len * shape->data_cells, pieces = 0;
  uint8_t *data = allocate(data_len);
  for (size_t at = 0; at < data_len; at++) data[at] = (uint8_t)(at * 40503u >> 5);
  uint8_t *columns[COLUMNS_MAX], *anew[COLUMNS_MAX];
  for (size_t column = 0; column < shape->columns; column++) {
    columns[column] = allocate(column_len);
    anew[column] = allocate(column_len);
  }
  expect(rain_put(codec, data, data_len, columns, column_len), RAIN_STATUS_OK, "put");
  expect(rain_encode(codec, columns, column_len), RAIN_STATUS_OK, "encode");

  /* Pieces that begin and end anywhere, longer than a cell too; one of no bytes. */
  for (size_t start = 0; start < data_len; start += 3 * cell_len / 2 + 1) {
    size_t len = (pieces++ * 977) % (2 * cell_len);
    if (len > data_len - start) len = data_len - start;
    for (size_t at = 0; at < len; at++) data[start + at] ^= (uint8_t)(at * 7 + start);
    expect(rain_update(codec, columns, column_len, start, data + start, len), RAIN_STATUS_OK, "update");
  }

  /* The last data cell by itself, and its parity: what one does whose cells are on different machines. */
  RainCell parity[COLUMNS_MAX];
  size_t count = 0, last = shape->data_cells - 1;
  expect(rain_parity_of(codec, last, NULL, &count), RAIN_STATUS_COUNT, "how many parity cells");
  expect(rain_parity_of(codec, last, NULL, &count), RAIN_STATUS_NULL, "no room for parity cells");
  expect(rain_parity_of(codec, last, parity, &count), RAIN_STATUS_OK, "parity cells");
  if (count < shape->tolerates || count > COLUMNS_MAX) failures++;
  uint8_t *cells[COLUMNS_MAX], *old = allocate(cell_len);
  for (size_t number = 0; number < count; number++) cells[number] = cell_at(columns, &parity[number], cell_len);
  memcpy(old, data + last * cell_len, cell_len);
  for (size_t at = 0; at < cell_len; at++) data[last * cell_len + at] ^= (uint8_t)(at + 1);
  const uint8_t *new = data + last * cell_len;
  expect(rain_update_parity(codec, last, old, new, cell_len, cells, count), RAIN_STATUS_OK, "update the parity");
  /* The data cell is not written by that: the caller has it elsewhere. */
  expect(rain_put(codec, data, data_len, anew, column_len), RAIN_STATUS_OK, "put anew");
  expect(rain_encode(codec, anew, column_len), RAIN_STATUS_OK, "encode anew");
  for (size_t number = 0; number < count; number++)
    same(cell_at(anew, &parity[number], cell_len), cells[number], cell_len, "parity of the last data cell");
  expect(rain_put(codec, data, data_len, columns, column_len), RAIN_STATUS_OK, "put the new cell");
  for (size_t column = 0; column < shape->columns; column++) same(anew[column], columns[column], column_len, "an updated column");

  /* What cannot be is refused, and nothing changes. */
  expect(rain_update(codec, columns, column_len, data_len, data, 1), RAIN_STATUS_RANGE, "behind the data");
  expect(rain_update(codec, columns, column_len, SIZE_MAX, data, 2), RAIN_STATUS_RANGE, "far behind the data");
  expect(rain_update(codec, columns, column_len, 0, columns[1], 1), RAIN_STATUS_OVERLAP, "data out of the stripe");
  expect(rain_update(codec, columns, column_len, 0, NULL, 1), RAIN_STATUS_NULL, "no data");
  expect(rain_update(codec, columns, 0, 0, data, 1), RAIN_STATUS_LENGTH, "columns of no bytes");
  expect(rain_parity_of(codec, last + 1, parity, &count), RAIN_STATUS_RANGE, "no such data cell");
  expect(rain_update_parity(codec, last + 1, old, new, cell_len, cells, count), RAIN_STATUS_RANGE, "no such data cell");
  expect(rain_update_parity(codec, last, old, new, cell_len, cells, count - 1), RAIN_STATUS_COUNT, "a cell is missing");
  expect(rain_update_parity(codec, last, cells[0], new, cell_len, cells, count), RAIN_STATUS_OVERLAP, "old is parity");
  for (size_t column = 0; column < shape->columns; column++) same(anew[column], columns[column], column_len, "a refused update");
  for (size_t column = 0; column < shape->columns; column++) free(columns[column]), free(anew[column]);
  free(data), free(old);
}

/* The shape of ISA-L: k columns of data give the others, and any k of all of them give those that are lost. */
static void isal(const RainCodec *codec, const RainShape *shape) {
  int k = (int)shape->data_columns, rows = (int)shape->tolerates, n = (int)shape->columns;
  int len = (int)shape->rows * 1000 + (int)shape->rows * 3;
  uint8_t *columns[COLUMNS_MAX], *sound[COLUMNS_MAX];
  for (int column = 0; column < n; column++) {
    columns[column] = allocate((size_t)len);
    sound[column] = allocate((size_t)len);
    for (int at = 0; at < len; at++) columns[column][at] = (uint8_t)((at * 31 + column * 7) >> 3);
  }
  RainTables *tables = NULL;
  expect(rain_ec_init_tables(codec, k, NULL, rows, NULL, &tables), RAIN_STATUS_OK, "tables to encode");
  expect(rain_ec_encode_data(len, k, rows, tables, (const uint8_t *const *)columns, columns + k), RAIN_STATUS_OK, "encode");
  rain_ec_free_tables(tables);
  for (int column = 0; column < n; column++) memcpy(sound[column], columns[column], (size_t)len);

  /* The first columns are lost, all data of them. */
  const uint8_t *sources[COLUMNS_MAX];
  uint8_t *targets[COLUMNS_MAX];
  int source_numbers[COLUMNS_MAX], target_numbers[COLUMNS_MAX];
  for (int number = 0; number < k; number++) {
    source_numbers[number] = n - 1 - number;
    sources[number] = columns[n - 1 - number];
  }
  for (int number = 0; number < rows; number++) {
    target_numbers[number] = number;
    targets[number] = columns[number];
    memset(columns[number], 0, (size_t)len);
  }
  expect(rain_ec_init_tables(codec, k, source_numbers, rows, target_numbers, &tables), RAIN_STATUS_OK, "tables to decode");
  expect(rain_ec_encode_data(len, k, rows, tables, sources, targets), RAIN_STATUS_OK, "decode");
  for (int column = 0; column < n; column++) same(sound[column], columns[column], (size_t)len, "a column, by tables");

  /* What cannot be is refused. */
  expect(rain_ec_encode_data(len + 1, k, rows, tables, sources, targets),
         shape->rows == 1 ? RAIN_STATUS_OK : RAIN_STATUS_LENGTH, "a length that the rows do not divide");
  expect(rain_ec_encode_data(len, k - 1, rows, tables, sources, targets), RAIN_STATUS_TABLES, "other tables");
  targets[0] = (uint8_t *)sources[0] + 1;
  expect(rain_ec_encode_data(len, k, rows, tables, sources, targets), RAIN_STATUS_OVERLAP, "overlapping buffers");
  rain_ec_free_tables(tables);
  expect(rain_ec_init_tables(codec, k - 1, NULL, rows, NULL, &tables), RAIN_STATUS_TOO_MANY_LOST, "too few sources");
  target_numbers[0] = source_numbers[0];
  expect(rain_ec_init_tables(codec, k, source_numbers, rows, target_numbers, &tables), RAIN_STATUS_COLUMN, "a source as target");
  for (int column = 0; column < n; column++) free(columns[column]), free(sound[column]);
}

static void mistakes(const RainCodec *codec, const RainShape *shape) {
  RainCodec *none = NULL;
  expect(rain_codec_new("b-code:3", &none), RAIN_STATUS_NAME, "a code that cannot be");
  expect(rain_codec_new("b-code\xff", &none), RAIN_STATUS_NAME, "a name that is not UTF-8");
  expect(rain_codec_new(NULL, &none), RAIN_STATUS_NULL, "no name");
  expect(rain_encode(codec, NULL, 64), RAIN_STATUS_NULL, "no columns");
  uint8_t bytes[64];
  uint8_t *columns[COLUMNS_MAX];
  for (size_t column = 0; column < shape->columns; column++) columns[column] = bytes;
  expect(rain_encode(codec, columns, 64), RAIN_STATUS_OVERLAP, "one buffer for all columns");
  if (strcmp(rain_strerror(12345), rain_strerror(RAIN_STATUS_OK)) == 0) failures++;
  rain_codec_free(NULL);
  rain_ec_free_tables(NULL);
}

int main(void) {
  const char *names[] = {"b-code:4", "b-code:5", "b-code:12", "x-code:7", "rs:4+2", "rs:10+4", "mdr:6"};
  for (size_t number = 0; number < sizeof names / sizeof *names; number++) {
    RainCodec *codec = NULL;
    RainShape shape;
    expect(rain_codec_new(names[number], &codec), RAIN_STATUS_OK, names[number]);
    if (codec == NULL) return 1;
    expect(rain_codec_shape(codec, &shape), RAIN_STATUS_OK, "shape");
    stripe(codec, &shape, 1);
    stripe(codec, &shape, 100003);
    update(codec, &shape, 1);
    update(codec, &shape, 5003);
    isal(codec, &shape);
    mistakes(codec, &shape);
    rain_codec_free(codec);
    printf("%s: %zu columns of %zu cells, %zu of them lost and recovered\n", names[number], shape.columns, shape.rows,
           shape.tolerates);
  }
  return failures == 0 ? 0 : 1;
}
