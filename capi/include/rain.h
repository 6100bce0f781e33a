/* The array codes of RAIN. Written by `cargo xtask generate` out of capi/src; see docs/c-interface.md. */

#ifndef RAIN_H
#define RAIN_H

#include <stddef.h>
#include <stdint.h>

/*
 What a call came to: 0, or a negative number and nothing written.
 */
enum RainStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   It is done.
   */
  RAIN_STATUS_OK = 0,
  /*
   A pointer is null that must not be.
   */
  RAIN_STATUS_NULL = -1,
  /*
   The name is of no code, or it is not UTF-8.
   */
  RAIN_STATUS_NAME = -2,
  /*
   A length is not a positive multiple of the code's rows, or it exceeds what memory can hold.
   */
  RAIN_STATUS_LENGTH = -3,
  /*
   There is no such column, or one is named twice, or as both a source and a target.
   */
  RAIN_STATUS_COLUMN = -4,
  /*
   More columns are lost than the code makes up for, or fewer sources are given than it needs.
   */
  RAIN_STATUS_TOO_MANY_LOST = -5,
  /*
   Two buffers overlap of which at least one is written.
   */
  RAIN_STATUS_OVERLAP = -6,
  /*
   The parity is not that of the data: at least one column is damaged.
   */
  RAIN_STATUS_MISMATCH = -7,
  /*
   The tables were made for other numbers of sources or targets.
   */
  RAIN_STATUS_TABLES = -8,
  /*
   There is no such data cell, or bytes lie behind the last of them.
   */
  RAIN_STATUS_RANGE = -9,
  /*
   There is another number of cells than is given.
   */
  RAIN_STATUS_COUNT = -10,
  /*
   A defect of this library. What was to be written may be half written.
   */
  RAIN_STATUS_INTERNAL = -99,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum RainStatus RainStatus;
#else
typedef int32_t RainStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 A code with the instruction set of this machine. Threads may share it.
 */
typedef struct RainCodec RainCodec;

/*
 How some columns follow from others. Threads may share it; it outlives the codec that it was made of.
 */
typedef struct RainTables RainTables;

/*
 The shape of a code.
 */
typedef struct RainShape {
  /*
   Columns, n.
   */
  size_t columns;
  /*
   Columns that give back all the others, k.
   */
  size_t data_columns;
  /*
   Columns that may be lost.
   */
  size_t tolerates;
  /*
   Cells of a column: its length is a multiple of this.
   */
  size_t rows;
  /*
   Cells of a stripe that hold data; the others hold parity.
   */
  size_t data_cells;
} RainShape;

/*
 A cell: a column, and which of its cells.
 */
typedef struct RainCell {
  /*
   The column, counted from 0.
   */
  size_t column;
  /*
   The row, counted from 0.
   */
  size_t row;
} RainCell;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Says what a status means. The text is static: it is never freed.
 */
const char *rain_strerror(int32_t status);

/*
 Finds a code by its name, such as `b-code:6`, `x-code:7` or `rs:10+4`. To be freed with `rain_codec_free`.

 # Safety
 `name` ends with a zero; `codec` points at room for a pointer.
 */
RainStatus rain_codec_new(const char *name,
                          struct RainCodec **codec);

/*
 Frees a codec. Null is passed over.

 # Safety
 `codec` is of `rain_codec_new`, and nobody uses it any more.
 */
void rain_codec_free(struct RainCodec *codec);

/*
 Tells the shape of a code.

 # Safety
 `codec` is of `rain_codec_new`; `shape` points at room for one.
 */
RainStatus rain_codec_shape(const struct RainCodec *codec, struct RainShape *shape);

/*
 Computes the shortest column whose stripe holds `data_len` bytes, in cells of whole cache lines.

 # Safety
 `codec` is of `rain_codec_new`; `column_len` points at room for a number.
 */
RainStatus rain_column_len(const struct RainCodec *codec, size_t data_len, size_t *column_len);

/*
 Spreads the data of a stripe over the data cells of its columns; what is left of these becomes zeros.

 # Safety
 `codec` is of `rain_codec_new`; `data` points at `data_len` bytes; `stripe` at as many pointers as the code has
 columns, each at `column_len` bytes.
 */
RainStatus rain_put(const struct RainCodec *codec,
                    const uint8_t *data,
                    size_t data_len,
                    uint8_t *const *stripe,
                    size_t column_len);

/*
 Collects the data of a stripe from the data cells of its columns.

 # Safety
 As of `rain_put`.
 */
RainStatus rain_get(const struct RainCodec *codec,
                    const uint8_t *const *stripe,
                    size_t column_len,
                    uint8_t *data,
                    size_t data_len);

/*
 Makes the parity cells of a stripe, in place.

 # Safety
 `codec` is of `rain_codec_new`; `stripe` points at as many pointers as the code has columns, each at `column_len`
 bytes.
 */
RainStatus rain_encode(const struct RainCodec *codec,
                       uint8_t *const *stripe,
                       size_t column_len);

/*
 Makes the lost columns of a stripe out of the others, in place; what they hold before does not matter.

 # Safety
 As of `rain_encode`; `lost` points at `lost_count` numbers of columns.
 */
RainStatus rain_recover(const struct RainCodec *codec,
                        uint8_t *const *stripe,
                        size_t column_len,
                        const size_t *lost,
                        size_t lost_count);

/*
 Overwrites `data_len` bytes of a stripe's data, from byte `offset` on, and changes its parity by the difference of old
 and new. Only the data cells named so and the parity cells that they are in are read and written.

 # Safety
 As of `rain_encode`; `data` points at `data_len` bytes.
 */
RainStatus rain_update(const struct RainCodec *codec,
                       uint8_t *const *stripe,
                       size_t column_len,
                       size_t offset,
                       const uint8_t *data,
                       size_t data_len);

/*
 Lists the parity cells that change with a data cell, by column, then row. Data cells are counted from 0 in the order
 in which `rain_put` fills them.

 `count` says how many `cells` has room for, and then how many there are. Where these are more, the status is
 `RAIN_STATUS_COUNT` and `cells`, which may be null then, is not written.

 # Safety
 `codec` is of `rain_codec_new`; `count` points at a number; `cells` at room for so many.
 */
RainStatus rain_parity_of(const struct RainCodec *codec,
                          size_t data_cell,
                          struct RainCell *cells,
                          size_t *count);

/*
 Changes parity cells as one data cell changes: for a caller that has these cells and not the stripe.

 `parity` has the cells that `rain_parity_of` lists, in that order. All buffers are whole cells, or the same piece of
 each. A difference that was worked out elsewhere is `new_data`, with zeros for `old_data`.

 # Safety
 `codec` is of `rain_codec_new`; `old_data` and `new_data` point at `len` bytes; `parity` at `parity_count` pointers, each
 at `len` bytes.
 */
RainStatus rain_update_parity(const struct RainCodec *codec,
                              size_t data_cell,
                              const uint8_t *old_data,
                              const uint8_t *new_data,
                              size_t len,
                              uint8_t *const *parity,
                              size_t parity_count);

/*
 Compares the parity of a stripe with its data: `RAIN_STATUS_MISMATCH` where a column is damaged.

 # Safety
 As of `rain_encode`; nothing is written.
 */
RainStatus rain_verify(const struct RainCodec *codec,
                       const uint8_t *const *stripe,
                       size_t column_len);

/*
 Finds out how `rows` columns follow from `k` others, for `rain_ec_encode_data`. To be freed with
 `rain_ec_free_tables`.

 To encode: from the columns 0 to k - 1, which null means for `sources`, the columns from k on, which null means for
 `targets`. To decode: from any k columns that survive, those that are lost.

 # Safety
 `codec` is of `rain_codec_new`; `sources` is null or points at `k` numbers, `targets` is null or points at `rows`
 numbers; `tables` points at room for a pointer.
 */
RainStatus rain_ec_init_tables(const struct RainCodec *codec,
                               int32_t k,
                               const int32_t *sources,
                               int32_t rows,
                               const int32_t *targets,
                               struct RainTables **tables);

/*
 Makes columns out of columns, in the shape of ISA-L's `ec_encode_data`: encodes and decodes, as the tables say.

 # Safety
 `tables` is of `rain_ec_init_tables`; `data` points at `k` pointers and `coding` at `rows`, each at `len` bytes.
 */
RainStatus rain_ec_encode_data(int32_t len,
                               int32_t k,
                               int32_t rows,
                               const struct RainTables *tables,
                               const uint8_t *const *data,
                               uint8_t *const *coding);

/*
 Frees tables. Null is passed over.

 # Safety
 `tables` is of `rain_ec_init_tables`, and nobody uses it any more.
 */
void rain_ec_free_tables(struct RainTables *tables);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RAIN_H */
