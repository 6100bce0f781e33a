//! What the commands give, and which configuration may follow which.

use super::*;

fn added() -> Configuration {
    founded(&[1, 1, 1]).add(member(3, 9)).unwrap()
}

fn tie(configuration: &Configuration) -> Option<u32> {
    configuration.new.tie.map(|node| node.0)
}

#[test]
fn a_member_comes_and_goes() {
    let first = founded(&[1, 1, 1]);
    let added = first.add(member(3, 9)).unwrap();
    let learner = added.new.member(NodeId(3)).unwrap();
    assert_eq!((learner.role, learner.weight), (Role::Learner, 0));
    assert_eq!((added.epoch, &added.old, added.new.catalog, tie(&added)), (2, &None, 3, None));
    let joint = added.promote(NodeId(3), Some(1)).unwrap();
    assert_eq!((joint.epoch, joint.old.as_ref(), joint.new.catalog, tie(&joint)), (3, Some(&added.new), 4, Some(0)));
    for refused in
        [joint.drain(NodeId(0)), joint.add(member(4, 0)), joint.label(NodeId(0), String::new(), String::new())]
    {
        assert_eq!(refused, Err(ChangeError::Joint(3)));
    }
    let back = joint.abort().unwrap();
    assert_eq!((back.epoch, &back.old, &back.new), (4, &None, &added.new));
    let four = joint.finish().unwrap();
    assert_eq!((four.epoch, &four.old, &four.new), (4, &None, &joint.new));
    assert_eq!((four.finish(), four.abort()), (Err(ChangeError::NotJoint(4)), Err(ChangeError::NotJoint(4))));
    let draining = four.drain(NodeId(0)).unwrap();
    let drained = draining.new.member(NodeId(0)).unwrap();
    assert_eq!((drained.role, drained.weight, draining.new.catalog, tie(&draining)), (Role::Draining, 0, 3, None));
    assert_eq!(draining.old.as_ref(), Some(&four.new));
    let gone = draining.finish().unwrap().forget(NodeId(0)).unwrap();
    assert_eq!((gone.epoch, &gone.old, gone.retired.as_slice()), (7, &None, [voter(0)].as_slice()));
    assert!(gone.new.member(NodeId(0)).is_none());
    let back = Member { voter: voter(0), ..member(0, 0) };
    assert_eq!(gone.add(back), Err(ChangeError::Configuration(ConfigurationError::Retired(voter(0)))));
    let steps = [&first, &added, &joint, &four, &draining, &draining.finish().unwrap(), &gone];
    for pair in steps.windows(2) {
        assert_eq!(pair[1].follows(pair[0]), Ok(()));
    }
}

#[test]
fn a_new_disk_is_another_voter() {
    let first = founded(&[1, 1, 1]);
    let replaced = first.replace(NodeId(1), Life(999)).unwrap();
    assert_eq!((replaced.old.as_ref(), replaced.retired.as_slice()), (Some(&first.new), [voter(1)].as_slice()));
    assert_eq!(replaced.new.member(NodeId(1)).unwrap().voter.life, Life(999));
    assert_eq!(replaced.follows(&first), Ok(()));
    // Its old life would be a member again.
    assert_eq!(replaced.abort(), Err(ChangeError::Configuration(ConfigurationError::Retired(voter(1)))));
    let done = replaced.finish().unwrap();
    assert_eq!(done.replace(NodeId(1), Life(101)), Err(ConfigurationError::Retired(voter(1)).into()));
    assert_eq!(
        done.replace(NodeId(1), Life(999)).unwrap_err().to_string(),
        "00000001 in life 000003e7 is retired, and for ever: it cannot be a member"
    );
}

#[test]
fn the_vote_that_breaks_ties_goes_where_it_is_needed() {
    let two = founded(&[1, 1, 1]).forget(NodeId(0)).unwrap();
    assert_eq!(tie(&two), Some(1));
    let two = two.finish().unwrap();
    let heavy = two.weight(NodeId(2), 3).unwrap();
    assert_eq!(tie(&heavy), Some(1), "who has it keeps it");
    let odd = two.weight(NodeId(2), 2).unwrap();
    assert_eq!(tie(&odd), None);
    // Nobody has it: it goes to the heaviest.
    let even = odd.finish().unwrap().weight(NodeId(1), 4).unwrap();
    assert_eq!(tie(&even), Some(1));
}

#[test]
fn another_number_of_catalog_nodes_stays() {
    let mut four = added().promote(NodeId(3), Some(1)).unwrap().finish().unwrap();
    four.new.catalog = 3;
    assert_eq!(four.add(member(4, 0)).unwrap().promote(NodeId(4), Some(0)).unwrap().new.catalog, 3);
    let three = four.drain(NodeId(3)).unwrap();
    assert_eq!(three.new.catalog, 3);
    assert_eq!(three.finish().unwrap().forget(NodeId(0)).unwrap().new.catalog, 2);
}

#[test]
fn refusals_say_why() {
    let mut four = added();
    four.new.code.columns = 3;
    let refused = |next: Result<Configuration, ChangeError>| next.unwrap_err().to_string();
    let few = "2 active members with data, expected 3, the columns of `b-code:2`";
    assert_eq!(refused(four.drain(NodeId(0))), few);
    assert_eq!(refused(four.forget(NodeId(0))), few);
    assert_eq!(refused(four.drain(NodeId(3))), "00000003 is learner, expected active");
    assert_eq!(refused(four.promote(NodeId(0), Some(1))), "00000000 is active, expected learner");
    assert_eq!(refused(four.weight(NodeId(3), 1)), "00000003 is learner, expected active");
    assert_eq!(refused(four.forget(NodeId(9))), "00000009 is no member, expected one");
    assert_eq!(refused(four.add(member(0, 0))), "00000000 is a member already, `node 0`, expected a new id");
    assert_eq!(
        refused(
            four.weight(NodeId(0), 0)
                .unwrap()
                .finish()
                .unwrap()
                .weight(NodeId(1), 0)
                .unwrap()
                .finish()
                .unwrap()
                .weight(NodeId(2), 0)
        ),
        "voters: found 0, expected 1 to 7"
    );
    assert_eq!(
        refused(four.finish()),
        "one set is in force in epoch 2, expected two: there is nothing to finish or to take back"
    );
}

/// Labels alter no quorum, and are in force at once.
#[test]
fn labels_need_no_second_set() {
    let first = founded(&[1, 1, 1]);
    let labelled = first.label(NodeId(1), "r2".to_owned(), "east".to_owned()).unwrap();
    let moved = labelled.contact(NodeId(1), contact("vera", "s1=[::1]:9")).unwrap();
    let member = moved.new.member(NodeId(1)).unwrap();
    assert_eq!((member.rack.as_str(), member.room.as_str(), member.contact.name.as_str()), ("r2", "east", "vera"));
    assert_eq!((moved.epoch, &moved.old, &member.contact), (3, &None, &contact("vera", "s1=[::1]:9")));
    assert_eq!(moved.with_note("words".to_owned()).note, "words");
}

#[test]
fn what_may_not_follow() {
    let first = founded(&[1, 1, 1]);
    let joint = added().promote(NodeId(3), Some(1)).unwrap();
    let after = |base: &Configuration, alter: &dyn Fn(&mut Configuration)| {
        let mut value = Configuration { epoch: base.epoch + 1, ..base.clone() };
        alter(&mut value);
        value.follows(base)
    };
    assert_eq!(after(&first, &|_| ()), Ok(()));
    assert_eq!(after(&first, &|value| value.epoch = 3), Err(StepError::Epoch { found: 3, base: 1 }));
    assert_eq!(after(&first, &|value| value.epoch = 1), Err(StepError::Epoch { found: 1, base: 1 }));
    assert_eq!(after(&first, &|value| value.new.members[0].weight = 3), Err(StepError::Quorums(1)));
    assert_eq!(after(&first, &|value| value.new.members[0].voter.life = Life(1)), Err(StepError::Quorums(1)));
    assert_eq!(after(&first, &|value| value.new.catalog = 2), Err(StepError::Quorums(1)));
    assert_eq!(after(&first, &|value| value.old = Some(set(&[1, 1]))), Err(StepError::OtherSet(1)));
    assert_eq!(after(&joint, &|_| ()), Err(StepError::Joint(3)));
    assert_eq!(after(&joint, &|value| (value.old, value.new) = (None, set(&[1]))), Err(StepError::OtherSet(3)));
    assert_eq!(after(&joint, &|value| (value.old, value.since) = (None, 4)), Ok(()));
    // Who keeps titles is others than before, or not.
    assert_eq!(after(&joint, &|value| value.old = None), Err(StepError::Since { found: 3, expected: 4 }));
    assert_eq!(after(&first, &|value| value.since = 2), Err(StepError::Since { found: 2, expected: first.since }));
    let retired = Configuration { retired: vec![voter(9)], ..first.clone() };
    assert_eq!(after(&retired, &|value| value.retired.clear()), Err(StepError::Returned(voter(9))));
}

#[test]
fn what_is_forced_is_far_ahead_and_needs_only_who_is_left() {
    let first = founded(&[1, 1, 1]);
    let forced = first.force(&[voter(1), voter(2)], None).unwrap();
    assert_eq!((forced.epoch, &forced.old, forced.retired.as_slice()), (1001, &None, [voter(1), voter(2)].as_slice()));
    assert_eq!(forced.new.members.iter().map(|member| member.voter).collect::<Vec<_>>(), [voter(0)]);
    assert_eq!(forced.follows(&first), Ok(()));
    assert!(Electorate::of(&first, &forced).agrees(|asked| asked == voter(0)));
    assert_eq!(first.force(&[voter(9)], None), Err(ChangeError::Unknown(NodeId(9))));
    let joint = added().promote(NodeId(3), Some(1)).unwrap();
    let twice = Configuration { epoch: 1003, ..joint.clone() };
    assert_eq!(twice.follows(&joint), Err(StepError::Joint(3)));
}

/// While two sets are in force, a majority of each must agree; lives that the step ends give no vote.
#[test]
fn electorates() {
    let (first, joint) = (added(), added().promote(NodeId(3), Some(1)).unwrap());
    let agrees = |base: &Configuration, value: &Configuration, nodes: &[u32]| {
        Electorate::of(base, value).agrees(|voter| nodes.contains(&voter.node.0))
    };
    // The old set is 0, 1 and 2, a vote each; in the new one 0 has two, and 3 has one.
    assert!(agrees(&first, &joint, &[0, 1]) && !agrees(&first, &joint, &[0, 3]) && !agrees(&first, &joint, &[1, 2]));
    let four = joint.finish().unwrap();
    assert!(!agrees(&joint, &four, &[0, 3]) && agrees(&joint, &four, &[1, 2, 3]) && agrees(&four, &four, &[0, 3]));
    let replaced = founded(&[1, 1, 1]).replace(NodeId(1), Life(999)).unwrap();
    let electorate = Electorate::of(&replaced, &replaced);
    let new = Voter { node: NodeId(1), life: Life(999) };
    assert_eq!(electorate.voters().into_iter().collect::<Vec<_>>(), [voter(0), new, voter(2)]);
    assert!(!electorate.agrees(|asked| [voter(0), voter(1), new].contains(&asked)));
}
