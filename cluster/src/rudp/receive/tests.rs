use super::*;

fn data(sequence: u64, order: u64, fragment: u8, fragments: u8) -> Data<'static> {
    Data { sequence, order: OrderNumber::new(order), fragment, fragments, payload: &[7] }
}

fn take(window: &mut ReceiveWindow, data: Data<'_>) -> Taken {
    let taken = window.take(&data, Missing::default());
    window.check(0);
    taken
}

/// What is acknowledged when 0, 1, 5, 6, 3, 9 came: all before 2, and the newest ranges first.
#[test]
fn the_newest_ranges_are_told() {
    let mut window = ReceiveWindow::new(0);
    for sequence in [0, 1, 5, 6, 3] {
        assert_eq!(take(&mut window, data(sequence, 0, 0, 1)), Taken::New);
    }
    let range = |skipped, length| Some(AckRange { skipped, length });
    let ack = window.ack(None);
    assert_eq!((ack.next, ack.limit, ack.ranges), (2, 256, [range(1, 1), range(3, 2), None]));
    for sequence in [9, 11] {
        take(&mut window, data(sequence, 0, 0, 1));
    }
    assert_eq!(window.ack(None).ranges, [range(9, 1), range(7, 1), range(1, 1)], "three of four");
    take(&mut window, data(4, 0, 0, 1));
    assert_eq!(window.ack(None).ranges, [range(1, 4), range(9, 1), range(7, 1)]);
    take(&mut window, data(2, 0, 0, 1));
    assert_eq!((window.ack(None).next, window.ack(None).ranges), (7, [range(4, 1), range(2, 1), None]));
}

#[test]
fn what_comes_again_or_too_early_is_not_taken() {
    let mut window = ReceiveWindow::new(0);
    assert_eq!(take(&mut window, data(255, 0, 0, 1)), Taken::New);
    assert_eq!(take(&mut window, data(255, 0, 0, 1)), Taken::Repeated);
    assert_eq!(take(&mut window, data(256, 0, 0, 1)), Taken::Beyond);
    assert_eq!(window.widen(0), 256);
    assert_eq!(take(&mut window, data(0, 0, 0, 1)), Taken::New);
    assert_eq!(window.widen(2), 256, "two wait to be read");
    assert_eq!(window.widen(1), 256);
    assert_eq!(window.widen(0), 257);
    assert_eq!(window.widen(200), 257, "it never goes back");
    assert_eq!(take(&mut window, data(256, 0, 0, 1)), Taken::New);
}

/// A peer that starts over, again and again, while nobody reads, does not get a window each time.
#[test]
fn what_is_unread_takes_room_in_the_next_session() {
    let mut window = ReceiveWindow::new(250);
    assert_eq!(take(&mut window, data(5, 0, 0, 1)), Taken::New);
    assert_eq!(take(&mut window, data(6, 0, 0, 1)), Taken::Beyond);
    assert_eq!(window.ack(None).limit, 6);
    assert_eq!(take(&mut ReceiveWindow::new(300), data(0, 0, 0, 1)), Taken::Beyond);
}

/// Fragments in any order make one message; ordered messages wait, others do not.
#[test]
fn messages_are_put_together_and_in_order() {
    let mut window = ReceiveWindow::new(0);
    let full = [1; 1024];
    let part =
        |sequence, fragment, payload| Data { sequence, order: OrderNumber::new(2), fragment, fragments: 3, payload };
    assert_eq!(take(&mut window, part(3, 2, &[3])), Taken::New);
    assert_eq!(take(&mut window, part(1, 0, &full)), Taken::New);
    assert_eq!(take(&mut window, part(2, 1, &full)), Taken::New);
    assert_eq!(window.poll(), None, "one before it is missing");
    assert_eq!(take(&mut window, data(4, 0, 0, 1)), Taken::New);
    assert_eq!(window.poll().map(|whole| whole.bytes.len()), Some(1), "unordered");
    assert_eq!(take(&mut window, data(0, 1, 0, 1)), Taken::New);
    assert_eq!(window.poll().map(|whole| whole.bytes.len()), Some(1));
    let whole = window.poll().unwrap();
    assert_eq!((whole.bytes.len(), whole.frames, whole.bytes[2048]), (2049, 3, 3));
}

/// A peer that contradicts itself is dropped frame by frame, and nothing grows.
#[test]
fn contradictions_are_dropped() {
    let mut window = ReceiveWindow::new(0);
    assert_eq!(take(&mut window, data(1, 0, 0, 3)), Taken::New);
    assert_eq!(take(&mut window, data(2, 0, 1, 2)), Taken::Contradicting, "another number of fragments");
    assert_eq!(take(&mut window, data(2, 1, 1, 3)), Taken::Contradicting, "another place");
    assert_eq!(take(&mut window, data(2, 258, 0, 1)), Taken::Contradicting, "a place too far ahead");
    assert_eq!(take(&mut window, data(2, 2, 0, 1)), Taken::New);
    assert_eq!(take(&mut window, data(3, 2, 0, 1)), Taken::Contradicting, "the same place again");
    // Message after message whose second half never comes, because the numbers are used for others.
    let mut window = ReceiveWindow::new(0);
    for sequence in 0..10_000 {
        assert_eq!(take(&mut window, data(sequence, 0, 0, 2)), Taken::New);
        window.widen(0);
    }
    assert!(window.assemblies.len() <= 2);
}
