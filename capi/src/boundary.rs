//! The functions of `rain.h`: pointers become references here, and nowhere else.
//!
//! Every function checks what can be checked (null, lengths, overlaps) and catches panics. What cannot be checked is the
//! caller's duty: a pointer that is not null points at what its documentation says, for as long as the call lasts, and
//! nobody else writes there meanwhile.

use core::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::codec::RainCodec;
use crate::status::RainStatus;
use crate::tables::RainTables;

/// Runs the body of a function; a panic must not cross into C.
fn guarded(body: impl FnOnce() -> Result<(), RainStatus>) -> RainStatus {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => RainStatus::Ok,
        Ok(Err(status)) => status,
        Err(_) => RainStatus::Internal,
    }
}

/// # Safety
/// Not null, `pointer` points at a value that outlives `'a`, and nobody writes it meanwhile.
unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T, RainStatus> {
    // SAFETY: the caller says so in the words above.
    unsafe { pointer.as_ref() }.ok_or(RainStatus::Null)
}

/// # Safety
/// Not null, `pointer` points at `count` values that outlive `'a`, and nobody writes them meanwhile.
unsafe fn list<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], RainStatus> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(RainStatus::Null);
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(RainStatus::Length);
    }
    // SAFETY: it is not null, no longer than memory can be, and the rest the caller says in the words above.
    Ok(unsafe { core::slice::from_raw_parts(pointer, count) })
}

/// # Safety
/// Not null, `pointer` points at `count` bytes that outlive `'a`, and nobody else reads or writes them meanwhile.
unsafe fn list_mut<'a>(pointer: *mut u8, count: usize) -> Result<&'a mut [u8], RainStatus> {
    if count == 0 {
        return Ok(&mut []);
    }
    if pointer.is_null() {
        return Err(RainStatus::Null);
    }
    if isize::try_from(count).is_err() {
        return Err(RainStatus::Length);
    }
    // SAFETY: it is not null, no longer than memory can be, and the rest the caller says in the words above.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer, count) })
}

/// # Safety
/// Not null, `pointer` points at room for a value.
unsafe fn store<T>(pointer: *mut T, value: T) -> Result<(), RainStatus> {
    if pointer.is_null() {
        return Err(RainStatus::Null);
    }
    // SAFETY: it is not null, and the caller says that there is room.
    unsafe { pointer.write(value) };
    Ok(())
}

/// # Safety
/// Not null, `pointer` points at `count` pointers, each of which points at `len` bytes that outlive `'a` and that nobody
/// writes meanwhile.
unsafe fn columns<'a>(pointer: *const *const u8, count: usize, len: usize) -> Result<Vec<&'a [u8]>, RainStatus> {
    // SAFETY: the caller says so in the words above.
    let pointers = unsafe { list(pointer, count) }?;
    // SAFETY: the caller says so in the words above, for each of them.
    pointers.iter().map(|&column| unsafe { list(column, len) }).collect()
}

/// # Safety
/// Not null, `pointer` points at `count` pointers, each of which points at `len` bytes that outlive `'a` and that nobody
/// else reads or writes meanwhile. That they do not overlap each other is checked with [`check_apart`] before.
unsafe fn columns_mut<'a>(pointer: *const *mut u8, count: usize, len: usize) -> Result<Vec<&'a mut [u8]>, RainStatus> {
    // SAFETY: the caller says so in the words above.
    let pointers = unsafe { list(pointer, count) }?;
    check_apart(pointers.iter().map(|&column| (column.addr(), len, true)))?;
    // SAFETY: the caller says so in the words above, for each of them, and none overlaps another.
    pointers.iter().map(|&column| unsafe { list_mut(column, len) }).collect()
}

/// Checks that no buffer (address, length, whether it is written) overlaps another one, unless both are read only.
fn check_apart(buffers: impl Iterator<Item = (usize, usize, bool)>) -> Result<(), RainStatus> {
    let mut buffers: Vec<_> = buffers.filter(|(address, len, _)| *address != 0 && *len > 0).collect();
    buffers.sort_unstable();
    // The ends of those before, written and not: any later one begins at or behind each of their beginnings.
    let (mut written_until, mut read_until) = (0, 0);
    for (address, len, is_written) in buffers {
        if address < written_until || (is_written && address < read_until) {
            return Err(RainStatus::Overlap);
        }
        let end = address.checked_add(len).ok_or(RainStatus::Length)?;
        let until = if is_written { &mut written_until } else { &mut read_until };
        *until = end.max(*until);
    }
    Ok(())
}

fn size(number: i32) -> Result<usize, RainStatus> {
    usize::try_from(number).map_err(|_| RainStatus::Length)
}

/// Column numbers as C hands them over; without any, those from `first` on.
///
/// # Safety
/// Not null, `pointer` points at `count` numbers.
unsafe fn numbers(pointer: *const i32, count: usize, first: usize) -> Result<Vec<usize>, RainStatus> {
    if pointer.is_null() {
        return Ok((first..first.saturating_add(count)).collect());
    }
    // SAFETY: it is not null, and the caller says that there are `count`.
    let numbers = unsafe { list(pointer, count) }?;
    numbers.iter().map(|&number| usize::try_from(number).map_err(|_| RainStatus::Column)).collect()
}

/// Says what a status means. The text is static: it is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn rain_strerror(status: i32) -> *const c_char {
    RainStatus::text(status).as_ptr()
}

/// Finds a code by its name, such as `b-code:6`, `x-code:7` or `rs:10+4`. To be freed with `rain_codec_free`.
///
/// # Safety
/// `name` ends with a zero; `codec` points at room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_codec_new(name: *const c_char, codec: *mut *mut RainCodec) -> RainStatus {
    guarded(|| {
        if name.is_null() || codec.is_null() {
            return Err(RainStatus::Null);
        }
        // SAFETY: it is not null, and the caller says that it ends with a zero.
        let name = unsafe { CStr::from_ptr(name) };
        let made = RainCodec::named(name.to_str().map_err(|_| RainStatus::Name)?)?;
        // SAFETY: the caller says that there is room.
        unsafe { store(codec, Box::into_raw(Box::new(made))) }
    })
}

/// Frees a codec. Null is passed over.
///
/// # Safety
/// `codec` is of `rain_codec_new`, and nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_codec_free(codec: *mut RainCodec) {
    if !codec.is_null() {
        // SAFETY: it was made from a box, and the caller says that nobody uses it any more.
        drop(unsafe { Box::from_raw(codec) });
    }
}

/// The shape of a code.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RainShape {
    /// Columns, n.
    pub columns: usize,
    /// Columns that give back all the others, k.
    pub data_columns: usize,
    /// Columns that may be lost.
    pub tolerates: usize,
    /// Cells of a column: its length is a multiple of this.
    pub rows: usize,
    /// Cells of a stripe that hold data; the others hold parity.
    pub data_cells: usize,
}

/// Tells the shape of a code.
///
/// # Safety
/// `codec` is of `rain_codec_new`; `shape` points at room for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_codec_shape(codec: *const RainCodec, shape: *mut RainShape) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let code = unsafe { reference(codec) }?.code();
        let found = RainShape {
            columns: code.columns(),
            data_columns: code.data_columns(),
            tolerates: code.tolerates(),
            rows: code.rows(),
            data_cells: code.data_cell_count(),
        };
        // SAFETY: the caller says that there is room.
        unsafe { store(shape, found) }
    })
}

/// Computes the shortest column whose stripe holds `data_len` bytes, in cells of whole cache lines.
///
/// # Safety
/// `codec` is of `rain_codec_new`; `column_len` points at room for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_column_len(
    codec: *const RainCodec,
    data_len: usize,
    column_len: *mut usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let found = unsafe { reference(codec) }?.column_len(data_len)?;
        // SAFETY: the caller says that there is room.
        unsafe { store(column_len, found) }
    })
}

/// Spreads the data of a stripe over the data cells of its columns; what is left of these becomes zeros.
///
/// # Safety
/// `codec` is of `rain_codec_new`; `data` points at `data_len` bytes; `stripe` at as many pointers as the code has
/// columns, each at `column_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_put(
    codec: *const RainCodec,
    data: *const u8,
    data_len: usize,
    stripe: *const *mut u8,
    column_len: usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        // SAFETY: the caller says so.
        let pointers = unsafe { list(stripe, codec.code().columns()) }?;
        let written = pointers.iter().map(|&column| (column.addr(), column_len, true));
        check_apart(written.chain([(data.addr(), data_len, false)]))?;
        // SAFETY: the caller says so; no column overlaps it.
        let data = unsafe { list(data, data_len) }?;
        // SAFETY: the caller says so; none overlaps another, or the data.
        let mut columns = unsafe { columns_mut(stripe, codec.code().columns(), column_len) }?;
        codec.put(data, &mut columns, column_len)
    })
}

/// Collects the data of a stripe from the data cells of its columns.
///
/// # Safety
/// As of `rain_put`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_get(
    codec: *const RainCodec,
    stripe: *const *const u8,
    column_len: usize,
    data: *mut u8,
    data_len: usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        // SAFETY: the caller says so.
        let pointers = unsafe { list(stripe, codec.code().columns()) }?;
        let read = pointers.iter().map(|&column| (column.addr(), column_len, false));
        check_apart(read.chain([(data.addr(), data_len, true)]))?;
        // SAFETY: the caller says so; the data overlap none of them.
        let columns = unsafe { columns(stripe, codec.code().columns(), column_len) }?;
        // SAFETY: the caller says so; no column overlaps it.
        codec.get(&columns, column_len, unsafe { list_mut(data, data_len) }?)
    })
}

/// Makes the parity cells of a stripe, in place.
///
/// # Safety
/// `codec` is of `rain_codec_new`; `stripe` points at as many pointers as the code has columns, each at `column_len`
/// bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_encode(codec: *const RainCodec, stripe: *const *mut u8, column_len: usize) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        // SAFETY: the caller says so.
        let mut columns = unsafe { columns_mut(stripe, codec.code().columns(), column_len) }?;
        codec.encode(&mut columns, column_len)
    })
}

/// Makes the lost columns of a stripe out of the others, in place; what they hold before does not matter.
///
/// # Safety
/// As of `rain_encode`; `lost` points at `lost_count` numbers of columns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_recover(
    codec: *const RainCodec,
    stripe: *const *mut u8,
    column_len: usize,
    lost: *const usize,
    lost_count: usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        // SAFETY: the caller says so.
        let lost = unsafe { list(lost, lost_count) }?;
        // SAFETY: the caller says so.
        let mut columns = unsafe { columns_mut(stripe, codec.code().columns(), column_len) }?;
        codec.recover(&mut columns, column_len, lost)
    })
}

/// Overwrites `data_len` bytes of a stripe's data, from byte `offset` on, and changes its parity by the difference of old
/// and new. Only the data cells named so and the parity cells that they are in are read and written.
///
/// # Safety
/// As of `rain_encode`; `data` points at `data_len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_update(
    codec: *const RainCodec,
    stripe: *const *mut u8,
    column_len: usize,
    offset: usize,
    data: *const u8,
    data_len: usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        // SAFETY: the caller says so.
        let pointers = unsafe { list(stripe, codec.code().columns()) }?;
        let written = pointers.iter().map(|&column| (column.addr(), column_len, true));
        check_apart(written.chain([(data.addr(), data_len, false)]))?;
        // SAFETY: the caller says so; no column overlaps it.
        let data = unsafe { list(data, data_len) }?;
        // SAFETY: the caller says so; none overlaps another, or the data.
        let mut columns = unsafe { columns_mut(stripe, codec.code().columns(), column_len) }?;
        codec.update(&mut columns, column_len, offset, data)
    })
}

/// A cell: a column, and which of its cells.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RainCell {
    /// The column, counted from 0.
    pub column: usize,
    /// The row, counted from 0.
    pub row: usize,
}

/// Lists the parity cells that change with a data cell, by column, then row. Data cells are counted from 0 in the order
/// in which `rain_put` fills them.
///
/// `count` says how many `cells` has room for, and then how many there are. Where these are more, the status is
/// `RAIN_STATUS_COUNT` and `cells`, which may be null then, is not written.
///
/// # Safety
/// `codec` is of `rain_codec_new`; `count` points at a number; `cells` at room for so many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_parity_of(
    codec: *const RainCodec,
    data_cell: usize,
    cells: *mut RainCell,
    count: *mut usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let found = unsafe { reference(codec) }?.parity_of(data_cell)?;
        // SAFETY: the caller says so.
        let room = *unsafe { reference(count) }?;
        if found.len() <= room && cells.is_null() {
            return Err(RainStatus::Null);
        }
        // SAFETY: it was read a moment ago, and the caller says that nobody else has it.
        unsafe { store(count, found.len()) }?;
        if found.len() > room {
            return Err(RainStatus::Count);
        }
        for (place, cell) in found.iter().enumerate() {
            let cell = RainCell { column: usize::from(cell.column), row: usize::from(cell.row) };
            // SAFETY: the caller says that there is room for as many.
            let to = unsafe { cells.add(place) };
            // SAFETY: as before.
            unsafe { store(to, cell) }?;
        }
        Ok(())
    })
}

/// Changes parity cells as one data cell changes: for a caller that has these cells and not the stripe.
///
/// `parity` has the cells that `rain_parity_of` lists, in that order. All buffers are whole cells, or the same piece of
/// each. A difference that was worked out elsewhere is `new_data`, with zeros for `old_data`.
///
/// # Safety
/// `codec` is of `rain_codec_new`; `old_data` and `new_data` point at `len` bytes; `parity` at `parity_count` pointers, each
/// at `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_update_parity(
    codec: *const RainCodec,
    data_cell: usize,
    old_data: *const u8,
    new_data: *const u8,
    len: usize,
    parity: *const *mut u8,
    parity_count: usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        // SAFETY: the caller says so.
        let pointers = unsafe { list(parity, parity_count) }?;
        let written = pointers.iter().map(|&cell| (cell.addr(), len, true));
        check_apart(written.chain([(old_data.addr(), len, false), (new_data.addr(), len, false)]))?;
        // SAFETY: the caller says so; no parity cell overlaps it.
        let old = unsafe { list(old_data, len) }?;
        // SAFETY: the caller says so; no parity cell overlaps it.
        let new = unsafe { list(new_data, len) }?;
        // SAFETY: the caller says so; none overlaps another, or the data.
        let mut parity = unsafe { columns_mut(parity, parity_count, len) }?;
        codec.update_parity(data_cell, old, new, &mut parity)
    })
}

/// Compares the parity of a stripe with its data: `RAIN_STATUS_MISMATCH` where a column is damaged.
///
/// # Safety
/// As of `rain_encode`; nothing is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_verify(
    codec: *const RainCodec,
    stripe: *const *const u8,
    column_len: usize,
) -> RainStatus {
    guarded(|| {
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        // SAFETY: the caller says so.
        let columns = unsafe { columns(stripe, codec.code().columns(), column_len) }?;
        codec.verify(&columns, column_len)
    })
}

/// Finds out how `rows` columns follow from `k` others, for `rain_ec_encode_data`. To be freed with
/// `rain_ec_free_tables`.
///
/// To encode: from the columns 0 to k - 1, which null means for `sources`, the columns from k on, which null means for
/// `targets`. To decode: from any k columns that survive, those that are lost.
///
/// # Safety
/// `codec` is of `rain_codec_new`; `sources` is null or points at `k` numbers, `targets` is null or points at `rows`
/// numbers; `tables` points at room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_ec_init_tables(
    codec: *const RainCodec,
    k: i32,
    sources: *const i32,
    rows: i32,
    targets: *const i32,
    tables: *mut *mut RainTables,
) -> RainStatus {
    guarded(|| {
        let (k, rows) = (size(k)?, size(rows)?);
        if tables.is_null() {
            return Err(RainStatus::Null);
        }
        // SAFETY: the caller says that it is a codec.
        let codec = unsafe { reference(codec) }?;
        if k.max(rows) > codec.code().columns() {
            return Err(RainStatus::Column);
        }
        // SAFETY: the caller says so.
        let sources = unsafe { numbers(sources, k, 0) }?;
        // SAFETY: the caller says so.
        let targets = unsafe { numbers(targets, rows, k) }?;
        let made = RainTables::new(codec, &sources, &targets)?;
        // SAFETY: the caller says that there is room.
        unsafe { store(tables, Box::into_raw(Box::new(made))) }
    })
}

/// Makes columns out of columns, in the shape of ISA-L's `ec_encode_data`: encodes and decodes, as the tables say.
///
/// # Safety
/// `tables` is of `rain_ec_init_tables`; `data` points at `k` pointers and `coding` at `rows`, each at `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_ec_encode_data(
    len: i32,
    k: i32,
    rows: i32,
    tables: *const RainTables,
    data: *const *const u8,
    coding: *const *mut u8,
) -> RainStatus {
    guarded(|| {
        let (len, k, rows) = (size(len)?, size(k)?, size(rows)?);
        // SAFETY: the caller says that they are tables.
        let tables = unsafe { reference(tables) }?;
        if (k, rows) != tables.counts() {
            return Err(RainStatus::Tables);
        }
        // SAFETY: the caller says so.
        let read = unsafe { list(data, k) }?.iter().map(|&column| (column.addr(), len, false));
        // SAFETY: the caller says so.
        let written = unsafe { list(coding, rows) }?.iter().map(|&column| (column.addr(), len, true));
        check_apart(read.chain(written))?;
        // SAFETY: the caller says so; none of the others overlaps them.
        let data = unsafe { columns(data, k, len) }?;
        // SAFETY: the caller says so; none overlaps another, or the data.
        let mut coding = unsafe { columns_mut(coding, rows, len) }?;
        tables.run(&data, &mut coding, len)
    })
}

/// Frees tables. Null is passed over.
///
/// # Safety
/// `tables` is of `rain_ec_init_tables`, and nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rain_ec_free_tables(tables: *mut RainTables) {
    if !tables.is_null() {
        // SAFETY: it was made from a box, and the caller says that nobody uses it any more.
        drop(unsafe { Box::from_raw(tables) });
    }
}
