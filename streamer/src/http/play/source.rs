//! A part of a segment, read as its viewer takes it: its head out of memory, its media out of the title.

use bytes::Bytes;
use core::ops::Range;
use futures_util::{StreamExt, TryStreamExt, stream};
use rain_media::Recipe;
use rain_titles::{ByteStream, OpenTitle, ReadError};
use std::sync::Arc;

/// Ranges of the title with so few bytes between them are read as one: a reading by itself costs more.
const JOINED_BYTES: u64 = 64 << 10;

/// What is read at once, and what of it is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    read: Range<u64>,
    kept: Vec<Range<u64>>,
}

/// The bytes in `range` of a segment. The first ones of the title have come, or there are none, once this is answered.
///
/// # Errors
/// [`ReadError`]; later ones come out of the stream, which then ends early.
///
/// Cancel safety: dropping it, or the stream, gives the reading up.
pub(super) async fn read<O: OpenTitle>(
    open: &Arc<O>,
    recipe: &Recipe,
    range: Range<u64>,
) -> Result<ByteStream, ReadError> {
    let head_bytes = recipe.head.len() as u64;
    let [start, end] = [range.start, range.end].map(|at| usize::try_from(at.min(head_bytes)).unwrap_or(usize::MAX));
    let head = Bytes::copy_from_slice(&recipe.head[start..end]);
    let mut spans =
        spans(&part(&recipe.ranges, range.start.saturating_sub(head_bytes)..range.end.saturating_sub(head_bytes)))
            .into_iter();
    // Whoever cannot be given any media is told so, and is not given a head first.
    let first = match spans.next() {
        Some(span) => kept(open.bytes(span.read.clone()).await?, span),
        None => stream::empty().boxed(),
    };
    let open = Arc::clone(open);
    let later = stream::iter(spans).then(move |span| {
        let open = Arc::clone(&open);
        async move { open.bytes(span.read.clone()).await.map(|stream| kept(stream, span)) }
    });
    let head = stream::iter((!head.is_empty()).then_some(Ok(head)));
    Ok(head.chain(first).chain(later.try_flatten()).boxed())
}

/// What lies at `wanted` of some ranges one behind the other.
fn part(ranges: &[Range<u64>], wanted: Range<u64>) -> Vec<Range<u64>> {
    let mut at = 0;
    let mut found = Vec::new();
    for range in ranges {
        let end = at + (range.end - range.start);
        let (from, to) = (wanted.start.max(at), wanted.end.min(end));
        if from < to {
            found.push(range.start + (from - at)..range.start + (to - at));
        }
        at = end;
    }
    found
}

fn spans(ranges: &[Range<u64>]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for range in ranges {
        let near = |span: &&mut Span| range.start >= span.read.end && range.start - span.read.end <= JOINED_BYTES;
        match spans.last_mut().filter(|span| near(span)) {
            Some(span) => {
                span.read.end = range.end;
                span.kept.push(range.clone());
            }
            None => spans.push(Span { read: range.clone(), kept: vec![range.clone()] }),
        }
    }
    spans
}

/// What is kept of a span that is read.
fn kept(read: ByteStream, span: Span) -> ByteStream {
    let Span { read: range, kept } = span;
    let mut at = range.start;
    let parts = read.map_ok(move |bytes| {
        let (start, end) = (at, at + bytes.len() as u64);
        at = end;
        // Ranges are in order: those that reach into these bytes lie side by side.
        let first = kept.partition_point(|range| range.end <= start);
        let within = kept[first..].iter().take_while(|range| range.start < end);
        let slice = |range: &Range<u64>| {
            let [from, to] = [range.start.max(start), range.end.min(end)].map(|at| at - start);
            bytes.slice(usize::try_from(from).unwrap_or_default()..usize::try_from(to).unwrap_or_default())
        };
        stream::iter(within.map(slice).map(Ok).collect::<Vec<_>>())
    });
    parts.try_flatten().boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rain_titles::{MemoryTitles, NewContent, Precondition, Titles};

    #[test]
    fn ranges_that_lie_close_are_read_as_one() {
        let gap = JOINED_BYTES;
        let found = spans(&[0..10, 10 + gap..20 + gap, 21 + 2 * gap..30 + 2 * gap, 5..6]);
        let span = |read: Range<u64>, kept: &[Range<u64>]| Span { read, kept: kept.to_vec() };
        let expected = [
            span(0..20 + gap, &[0..10, 10 + gap..20 + gap]),
            span(21 + 2 * gap..30 + 2 * gap, core::slice::from_ref(&(21 + 2 * gap..30 + 2 * gap))),
            span(5..6, core::slice::from_ref(&(5..6))),
        ];
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn every_range_of_a_segment_is_what_it_is_of_the_whole() {
        let titles = MemoryTitles::default();
        let content: Vec<u8> = (0..400_000_u32).map(|at| (at * 7 / 3).to_le_bytes()[0]).collect();
        let body = Bytes::from(content.clone());
        let (stream, bytes) = (stream::iter([Ok(body)]), Some(400_000));
        let new = NewContent { stream, bytes, media_type: String::new() };
        titles.put("a", new, Precondition::default()).await.expect("memory is there");
        let open = Arc::new(titles.open("a").await.expect("it was put"));
        let ranges = vec![100..3000, 3010..3011, 200_000..200_500, 5..105, 210_000..212_000];
        let head = b"the head of it".to_vec();
        let mut whole = head.clone();
        for range in &ranges {
            let range: Range<usize> = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            whole.extend_from_slice(&content[range]);
        }
        let recipe = Recipe { head, ranges, bytes: whole.len() as u64 };
        let length = whole.len();
        for (start, end) in
            [(0, length), (0, 1), (13, 15), (14, 15), (100, 2915), (2914, 2916), (3400, 3600), (length - 1, length)]
        {
            let stream = read(&open, &recipe, start as u64..end as u64).await.expect("memory is there");
            let found: Vec<Bytes> = stream.try_collect().await.expect("memory is there");
            assert_eq!(found.concat(), whole[start..end], "{start}..{end}");
        }
    }
}
