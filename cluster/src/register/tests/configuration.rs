//! Majorities, and what is no configuration.

use super::*;

fn with_tie(weights: &[u8], tie: u32) -> MemberSet {
    MemberSet { tie: Some(NodeId(tie)), ..set(weights) }
}

#[test]
fn majorities_are_of_votes() {
    let table: [(MemberSet, &[u32], bool); 10] = [
        (set(&[1, 1, 1]), &[0, 2], true),
        (set(&[1, 1, 1]), &[1], false),
        (set(&[2, 1]), &[0], true),
        (set(&[2, 1]), &[1], false),
        (with_tie(&[1, 1], 1), &[1], true),
        (with_tie(&[1, 1], 1), &[0], false),
        (with_tie(&[1, 1, 1, 1], 0), &[0, 3], true),
        (with_tie(&[1, 1, 1, 1], 0), &[1, 2], false),
        (with_tie(&[1, 1, 1, 1], 0), &[1, 2, 3], true),
        (set(&[3, 1, 1, 0]), &[1, 2, 3], false),
    ];
    for (set, nodes, expected) in table {
        set.check().unwrap();
        assert_eq!(set.has_majority(|voter| nodes.contains(&voter.node.0)), expected, "{nodes:?} of {set:?}");
    }
}

#[test]
fn people_are_told_who_must_live() {
    let must_live = |set: &MemberSet| set.must_live().map(|voter| voter.node.0).collect::<Vec<_>>();
    assert_eq!(must_live(&with_tie(&[1, 1], 1)), [1]);
    assert_eq!(must_live(&set(&[1, 1, 1])), [0; 0]);
    assert_eq!(must_live(&set(&[3, 1, 1])), [0]);
    assert_eq!(must_live(&set(&[1])), [0]);
}

/// A life is a voter, and a node is none.
#[test]
fn another_life_has_no_vote() {
    let all_others = |voter: Voter| Voter { life: Life(voter.life.0 + 1), ..voter };
    let set = set(&[1, 1, 1]);
    let others: Vec<_> = set.voters().map(|(voter, _)| all_others(voter)).collect();
    assert!(!set.has_majority(|voter| others.contains(&voter)));
}

fn mistake(alter: impl FnOnce(&mut Configuration)) -> String {
    let mut configuration = founded(&[1, 1, 1]);
    alter(&mut configuration);
    configuration.check().expect_err("a mistake").to_string()
}

#[test]
fn mistakes_are_named_with_what_was_found_and_expected() {
    let weights = |weights: &'static [u8]| move |value: &mut Configuration| value.new = set(weights);
    assert_eq!(mistake(weights(&[1, 1])), "the tie is with nobody, expected a voter: the weights together are even");
    assert_eq!(
        mistake(|value| value.new.tie = Some(NodeId(1))),
        "the tie is with 00000001, expected nobody: without it the weights are odd"
    );
    assert_eq!(mistake(|value| value.new.tie = Some(NodeId(7))), "the tie is with 00000007, expected a voter");
    assert_eq!(mistake(weights(&[0, 0])), "voters: found 0, expected 1 to 7");
    assert_eq!(mistake(weights(&[1; 8])), "voters: found 8, expected 1 to 7");
    assert_eq!(mistake(weights(&[])), "members: found 0, expected 1 to 64");
    assert_eq!(
        mistake(|value| {
            value.new.members = (0..65).map(|node| member(node, u8::from(node == 0))).collect();
        }),
        "members: found 65, expected 1 to 64"
    );
    assert_eq!(
        mistake(|value| value.new.members[1].voter.node = NodeId(0)),
        "member 00000000 behind one of the same id or a higher one, expected each once, by id"
    );
    assert_eq!(
        mistake(|value| value.new.members[1].role = Role::Draining),
        "00000001 is draining with weight 1, expected 0: only active members have votes"
    );
    assert_eq!(
        mistake(|value| value.retired = vec![voter(1)]),
        "00000001 in life 00000065 is retired, and for ever: it cannot be a member"
    );
    assert_eq!(
        mistake(|value| value.retired = vec![voter(9), voter(8)]),
        "retired 00000008 in life 0000006c twice or out of order, expected each once, in order"
    );
    assert_eq!(
        mistake(|value| value.retired = (0..1001).map(|node| voter(1000 + node)).collect()),
        "retired lives: found 1001, expected 0 to 1000"
    );
    assert_eq!(
        mistake(|value| value.new.code.columns = 4),
        "3 active members with data, expected 4, the columns of `b-code:2`"
    );
    assert_eq!(mistake(|value| value.new.catalog = 4), "catalog nodes: found 4, expected 1 to 3");
    assert_eq!(mistake(|value| value.new.catalog = 0), "catalog nodes: found 0, expected 1 to 3");
    assert_eq!(mistake(|value| value.epoch = 0), "epoch: found 0, expected 1 to 4611686018427387904");
    assert_eq!(mistake(|value| value.note = "x".repeat(257)), "bytes of note: found 257, expected 0 to 256");
    assert_eq!(
        mistake(|value| value.new.members[0].contact.name = "a\nb".to_owned()),
        "bytes of name: found 10, expected no control characters"
    );
    assert_eq!(
        mistake(|value| value.new.members[0].contact.addresses = vec!["a:1".to_owned(); 9]),
        "addresses: found 9, expected 0 to 8"
    );
}

/// A witness votes, and is nobody to keep data.
#[test]
fn a_witness_keeps_nothing() {
    let mut value = founded(&[1, 1, 1]);
    value.new.members[2].witness = true;
    assert_eq!(value.check().unwrap_err().to_string(), "catalog nodes: found 3, expected 1 to 2");
    value.new.catalog = 2;
    value.check().unwrap();
    assert!(value.new.has_majority(|voter| voter.node.0 != 0));
    assert_eq!(value.new.with_data().map(|voter| voter.node.0).collect::<Vec<_>>(), [0, 1]);
}

/// As large as each bound allows for itself it is too large for all of them together.
#[test]
fn a_configuration_is_bounded() {
    let mut value = founded(&[1, 1, 1]);
    value.new.members = (0..64).map(|node| member(node, u8::from(node < 3))).collect();
    value.retired = (0..1000).map(|node| voter(1000 + node)).collect();
    value.old = Some(value.new.clone());
    value.check().unwrap();
    assert_eq!(Configuration::parse(&value.to_bytes()).as_ref(), Ok(&value));
    value.new.members.iter_mut().for_each(|member| member.contact.addresses = vec!["a".repeat(128); 8]);
    let error = value.check().unwrap_err().to_string();
    assert!(error.starts_with("bytes of configuration: found ") && error.ends_with(", expected 0 to 32768"), "{error}");
    assert!(Configuration::parse(&value.to_bytes()).is_err());
}
