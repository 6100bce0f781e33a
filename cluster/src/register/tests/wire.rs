//! Bytes: there and back, and whatever else comes.

use super::*;
use crate::random::SplitMix64;
use std::sync::Arc;

fn ballot(number: u64) -> Ballot {
    Ballot { number, proposer: voter(1), incarnation: 5 }
}

/// Configurations such as commands make: one after the other, from a seed.
fn history(seed: u64) -> Vec<Configuration> {
    let mut random = SplitMix64::new(seed);
    let mut all = vec![founded(&[1, 1, 1])];
    for _ in 0..20 {
        let (last, node) = (&all[all.len() - 1], NodeId(u32::try_from(random.below(6)).unwrap()));
        let next = match random.below(9) {
            _ if last.old.is_some() && random.one_in(2) => last.finish(),
            0 => last.abort(),
            1 => last.promote(node, Some(2)),
            2 => last.drain(node),
            3 => last.forget(node),
            4 => last.replace(node, Life(u32::try_from(random.below(1 << 20)).unwrap())),
            5 => last.weight(node, 3),
            6 => last.label(node, "rack".to_owned(), "Raum ä".to_owned()),
            7 => last.force(&[last.new.members[0].voter], None),
            _ => last.add(Member { witness: random.one_in(2), ..member(node.0, 0) }),
        };
        all.extend(next.ok().map(|next| next.with_note(format!("step {seed}"))));
    }
    all
}

fn accepted(seed: u64) -> Option<Accepted> {
    let history: Vec<_> = history(seed).into_iter().map(Arc::new).collect();
    let [.., base, value] = history.as_slice() else { return None };
    Some(Accepted { ballot: ballot(seed), base: Arc::clone(base), value: Arc::clone(value) })
}

fn questions(seed: u64) -> Vec<RegisterQuestion> {
    let prepare = RegisterQuestion::Prepare { to: voter(0), ballot: ballot(seed) };
    let learned = history(seed).into_iter().map(|value| RegisterQuestion::Learned(Arc::new(value)));
    let accept = accepted(seed).map(|proposal| RegisterQuestion::Accept { to: voter(2), proposal });
    learned.chain([prepare]).chain(accept).collect()
}

fn answers(seed: u64) -> Vec<RegisterAnswer> {
    let refused = Verdict::Refused { promised: ballot(9), accepted: accepted(seed) };
    let verdicts =
        [Verdict::Promised(accepted(seed)), Verdict::Promised(None), Verdict::Accepted, refused, Verdict::NotI];
    verdicts.map(|verdict| RegisterAnswer { voter: voter(1), ballot: ballot(seed), verdict }).into()
}

fn messages(seed: u64) -> Vec<RegisterMessage> {
    let told = |known| {
        RegisterMessage::Told(Told {
            voter: voter(4),
            can_vote: seed.is_multiple_of(2),
            progress: Progress { goes_by: seed, has_learnt: seed.is_multiple_of(3) },
            known,
        })
    };
    let known = history(seed).pop().map(Arc::new);
    let questions = questions(seed).into_iter().map(RegisterMessage::Question);
    let answers = answers(seed).into_iter().map(RegisterMessage::Answer);
    questions.chain(answers).chain([RegisterMessage::Ask, told(None), told(known)]).collect()
}

fn records(seed: u64) -> Vec<Record> {
    vec![Record::blank(voter(3)), Record { voter: voter(3), promised: Some(ballot(2)), accepted: accepted(seed) }]
}

#[test]
fn there_and_back() {
    for seed in 0..200 {
        for value in history(seed) {
            assert_eq!(Configuration::parse(&value.to_bytes()), Ok(value));
        }
        for message in messages(seed) {
            assert_eq!(RegisterMessage::parse(&message.to_bytes()), Ok(message));
        }
        for record in records(seed) {
            assert_eq!(Record::parse(&record.to_bytes()), Ok(record));
        }
    }
}

/// As docs of `to_bytes` say, by hand.
#[test]
fn bytes_of_a_question() {
    let prepare = RegisterQuestion::Prepare {
        to: Voter { node: NodeId(0x0403_0201), life: Life(7) },
        ballot: Ballot { number: 8, proposer: Voter { node: NodeId(9), life: Life(10) }, incarnation: 11 },
    };
    let expected = [
        &[0][..],
        &[1, 2, 3, 4, 7, 0, 0, 0],
        &[8, 0, 0, 0, 0, 0, 0, 0],
        &[9, 0, 0, 0, 10, 0, 0, 0],
        &[11, 0, 0, 0, 0, 0, 0, 0],
    ];
    assert_eq!(prepare.to_bytes(), expected.concat());
    assert_eq!(RegisterMessage::Question(prepare).to_bytes(), [&[0], &*expected.concat()].concat());
    assert_eq!(RegisterMessage::Ask.to_bytes(), [2]);
    let told = Told {
        voter: Voter { node: NodeId(1), life: Life(2) },
        can_vote: true,
        progress: Progress { goes_by: 7, has_learnt: true },
        known: None,
    };
    assert_eq!(RegisterMessage::Told(told).to_bytes(), [3, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(Record::blank(voter(0)).to_bytes()[..18], *b"RAINREG\x01\0\0\0\0\x64\0\0\0\0\0");
}

/// What comes out of any bytes has these bytes: no two spellings, nothing left over, no panic. And it holds to its bounds.
#[test]
fn damaged_bytes_are_refused_or_mean_what_they_say() {
    let mut random = SplitMix64::new(1);
    let (mut refused, mut taken) = (0, 0);
    let mut count = |is_taken: bool| *(if is_taken { &mut taken } else { &mut refused }) += 1;
    for seed in 0..300 {
        let bytes = |bytes: &mut Vec<u8>, random: &mut SplitMix64| match random.below(4) {
            0 => bytes.truncate(random.index(bytes.len())),
            1 => bytes.insert(random.index(bytes.len()), 0),
            _ => {
                let place = random.index(bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
        };
        for value in history(seed) {
            let mut damaged = value.to_bytes();
            bytes(&mut damaged, &mut random);
            let parsed = Configuration::parse(&damaged);
            count(parsed.is_ok());
            if let Ok(parsed) = parsed {
                assert_eq!((parsed.to_bytes(), parsed.check()), (damaged, Ok(())));
            }
        }
        for message in messages(seed) {
            let mut damaged = message.to_bytes();
            bytes(&mut damaged, &mut random);
            if let Ok(parsed) = RegisterMessage::parse(&damaged) {
                assert_eq!(parsed.to_bytes(), damaged);
            }
        }
        for record in records(seed) {
            let mut damaged = record.to_bytes();
            bytes(&mut damaged, &mut random);
            assert!(Record::parse(&damaged).is_err(), "a damaged record");
        }
    }
    assert!(refused > 500 && taken > 100, "{refused} refused, {taken} taken");
}

/// A count beyond its bound is refused before anything is made for it.
#[test]
fn counts_are_checked_first() {
    let founded = founded(&[1, 1, 1]);
    let mut members = founded.to_bytes();
    // Epoch, since, no old set, no tie, code, columns, catalog.
    members[8 + 8 + 1 + 1 + 2 + 8 + 2] = 65;
    let error = Configuration::parse(&members).unwrap_err();
    assert_eq!(error.to_string(), "members: found 65, expected 1 to 64");
    let mut retired = founded.to_bytes();
    let place = retired.len() - 4;
    retired[place..place + 2].copy_from_slice(&1001_u16.to_le_bytes());
    let error = Configuration::parse(&retired).unwrap_err();
    assert_eq!(error.to_string(), "retired lives: found 1001, expected 0 to 1000");
    let long = vec![0; CONFIGURATION_BYTES_MAX + 1];
    assert_eq!(
        Configuration::parse(&long).unwrap_err().to_string(),
        "bytes of configuration: found 32769, expected 0 to 32768"
    );
    let high = RegisterQuestion::Prepare { to: voter(0), ballot: ballot(BALLOT_NUMBER_MAX + 1) };
    assert!(RegisterQuestion::parse(&high.to_bytes()).is_err());
}

/// What no honest proposer says: a value that may not follow its base.
#[test]
fn a_proposal_that_skips_is_refused() {
    let (base, value) = (founded(&[1, 1, 1]), founded(&[1]));
    let value = Configuration { epoch: 2, ..value };
    let proposal = Accepted { ballot: ballot(1), base: Arc::new(base), value: Arc::new(value) };
    let accept = RegisterQuestion::Accept { to: voter(0), proposal };
    assert_eq!(RegisterQuestion::parse(&accept.to_bytes()), Err(StepError::Quorums(1).into()));
}
