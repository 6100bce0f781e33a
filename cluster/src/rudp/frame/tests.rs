use super::*;

const HEADER: FrameHeader = FrameHeader {
    cluster: 0x1112_1314_1516_1718,
    sender: NodeId(3),
    receiver: NodeId(0x0102_0304),
    sender_incarnation: 0x2122_2324_2526_2728,
    receiver_incarnation: 5,
    path: PathId(0x0607),
    epoch: 0x3132_3334,
    number: 0x41,
    asks: false,
};

const ACK: Ack = Ack {
    next: 1000,
    limit: 1256,
    ranges: [Some(AckRange { skipped: 2, length: 5 }), Some(AckRange { skipped: 100, length: 156 }), None],
    echo: Some(Echo { path: PathId(1), number: 0x51, before: 0x8000_0000_0000_0001, delay_us: 1500 }),
};

const DATA: Data<'static> =
    Data { sequence: 0x0102, order: OrderNumber::new(9), fragment: 2, fragments: 3, payload: &[0xaa, 0xbb, 0xcc] };

fn bytes(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write(&mut bytes);
    bytes
}

/// By hand, after the drawing in docs/rudp.md.
#[test]
fn bytes_are_where_the_drawing_says() {
    let frame = Frame { header: HEADER, ack: Some(ACK), data: Some(DATA) };
    let bytes = bytes(&frame);
    let expected: [&[u8]; 3] = [
        &[
            0x52, 0x44, 1, 3, 0x07, 0x06, 0, 0, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 3, 0, 0, 0, 4, 3, 2, 1,
            0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21, 5, 0, 0, 0, 0, 0, 0, 0, 0x41, 0, 0, 0, 0, 0, 0, 0, 0x34,
            0x33, 0x32, 0x31, 0, 0, 0, 0,
        ],
        &[
            0xe8, 3, 0, 0, 0, 0, 0, 0, 0xe8, 4, 0, 0, 0, 0, 0, 0, 0x51, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x80,
            0xdc, 5, 0, 0, 1, 0, 0, 0, 2, 0, 5, 0, 100, 0, 156, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        &[2, 1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 2, 3, 0, 0, 0, 0, 0xaa, 0xbb, 0xcc],
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(Frame::from_bytes(&bytes), Ok(frame));
}

#[test]
fn every_form_comes_back() {
    for header in [HEADER, FrameHeader { asks: true, ..HEADER }] {
        for ack in [None, Some(ACK), Some(Ack { ranges: [None; 3], echo: None, ..ACK })] {
            for data in [None, Some(DATA), Some(Data { order: None, fragment: 0, fragments: 1, payload: &[], ..DATA })]
            {
                let number = if header.asks || data.is_some() { 0x41 } else { 0 };
                let frame = Frame { header: FrameHeader { number, ..header }, ack, data };
                assert_eq!(Frame::from_bytes(&bytes(&frame)), Ok(frame));
            }
        }
    }
    let longest = Data { payload: &[7; PAYLOAD_BYTES], ..DATA };
    assert_eq!(bytes(&Frame { header: HEADER, ack: Some(ACK), data: Some(longest) }).len(), FRAME_BYTES_MAX);
    assert_eq!(FRAME_BYTES_MAX + 16 + 8 + 40, 1224, "as docs/rudp.md says");
}

/// One change to a good frame for each error, with the numbers that it must name.
#[test]
fn what_is_no_frame_is_refused() {
    let good = bytes(&Frame { header: HEADER, ack: Some(ACK), data: Some(DATA) });
    let changed = |changes: &[(usize, u8)]| {
        let mut bytes = good.clone();
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        Frame::from_bytes(&bytes).map(|_| ())
    };
    let length = |found, expected| Err(FrameError::Length { found, expected });
    for found in 0..good.len() {
        let expected = [56, 112, 136, 139].into_iter().find(|expected| found < *expected).unwrap();
        assert_eq!(Frame::from_bytes(&good[..found]).map(|_| ()), length(found, expected));
    }
    assert_eq!(Frame::from_bytes(&[&good[..], &[0]].concat()).map(|_| ()), length(140, 139));
    let bare = bytes(&Frame { header: FrameHeader { number: 0, ..HEADER }, ack: None, data: None });
    assert_eq!(Frame::from_bytes(&[&bare[..], &[0]].concat()).map(|_| ()), length(57, 56));
    for at in 0..3 {
        assert_eq!(changed(&[(at, 9)]), Err(FrameError::Format), "byte {at}");
    }
    for at in [6, 7, 52, 55] {
        assert_eq!(changed(&[(at, 1)]), Err(FrameError::NotZero { at, found: 1 }));
    }
    for (at, place) in [(94, 38), (108, 52), (132, 20), (135, 23)] {
        assert_eq!(changed(&[(at, 1)]), Err(FrameError::NotZero { at: place, found: 1 }));
    }
    assert_eq!(changed(&[(3, 0x0b)]), Err(FrameError::Flags { found: 0x0b }));
    let zeroed = |from: usize| changed(&(from..from + 8).map(|at| (at, 0)).collect::<Vec<_>>());
    assert_eq!(zeroed(24), Err(FrameError::Incarnation("sender")));
    assert_eq!(zeroed(32), Err(FrameError::Incarnation("receiver")));
    assert_eq!(zeroed(40), Err(FrameError::Number { found: 0, flags: 3 }));
    let numbered = bytes(&Frame { header: HEADER, ack: None, data: None });
    assert_eq!(Frame::from_bytes(&numbered).map(|_| ()), Err(FrameError::Number { found: 0x41, flags: 0 }));
    assert_eq!(changed(&[(64, 0xe9)]), Err(FrameError::Limit { next: 1000, limit: 1257 }));
    assert_eq!(changed(&[(65, 3), (64, 0xe7)]), Err(FrameError::Limit { next: 1000, limit: 999 }));
    assert_eq!(changed(&[(96, 0)]), Err(FrameError::Range { skipped: 0, length: 5 }));
    assert_eq!(changed(&[(98, 0)]), Err(FrameError::Range { skipped: 2, length: 0 }));
    assert_eq!(changed(&[(102, 157)]), Err(FrameError::Range { skipped: 100, length: 157 }));
    let fragment = |fragment, fragments, sequence| Err(FrameError::Fragment { fragment, fragments, sequence });
    assert_eq!(changed(&[(131, 2)]), fragment(2, 2, 0x102));
    assert_eq!(changed(&[(131, 65)]), fragment(2, 65, 0x102));
    assert_eq!(changed(&[(131, 0)]), fragment(2, 0, 0x102));
    assert_eq!(changed(&[(112, 1), (113, 0)]), fragment(2, 3, 1));
    assert_eq!(changed(&[(131, 4)]), Err(FrameError::Payload { found: 3, fragment: 2, fragments: 4 }));
    let refused = |payload: &[u8], fragment, fragments| {
        let data = Data { fragment, fragments, payload, ..DATA };
        assert_eq!(
            Frame::from_bytes(&bytes(&Frame { header: HEADER, ack: None, data: Some(data) })).map(|_| ()),
            Err(FrameError::Payload { found: payload.len(), fragment, fragments })
        );
    };
    refused(&[], 1, 2);
    refused(&[0; 1025], 1, 2);
    refused(&[0; 1025], 0, 1);
}

/// Bytes changed at random never come as a value that cannot be, and what is read writes itself alike.
#[test]
fn what_is_read_is_what_was_written() {
    let good = bytes(&Frame { header: HEADER, ack: Some(ACK), data: Some(DATA) });
    let (mut word, mut read) = (1u64, 0);
    let mut random = move |below: usize| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(word >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        let mut changed = good.clone();
        for _ in 0..=random(3) {
            let at = random(changed.len());
            changed[at] = u8::try_from(random(256)).unwrap();
        }
        if let Ok(frame) = Frame::from_bytes(&changed) {
            assert_eq!(bytes(&frame), changed);
            read += 1;
        }
    }
    assert!(read > 1000, "{read}");
}
