//! The register as a member runs it: how it comes to the first configuration, and how a change of two sets ends.

use super::*;
use crate::time::Time;
use core::time::Duration;
use std::sync::Arc;

const NOW: Time = Time::from_micros(0);
/// Behind every wait before a joint configuration is ended by others.
const TENDED: Duration = Duration::from_secs(5);

fn founders(count: u32) -> Founders {
    // In which life they are nobody knows.
    let of_no_life = |node| Member { voter: Voter { node: NodeId(node), life: Life(0) }, ..member(node, 0) };
    let code = SetCode { name: "b-code:2".to_owned(), columns: 1 };
    Founders { members: (0..count).map(of_no_life).collect(), code, catalog: 2 }
}

fn registrar(node: u32, can_vote: bool, known: Option<&Configuration>) -> Registrar {
    let record = can_vote.then(|| Record::blank(voter(node)));
    let mut registrar = Registrar::new(voter(node), record, known.cloned().map(Arc::new), 1, u64::from(node));
    registrar.set_sure(NOW);
    registrar
}

/// Makes durable whatever is to be; what goes out.
fn settle(registrar: &mut Registrar, now: Time) -> Vec<(u32, RegisterMessage)> {
    while let Some(save) = registrar.poll_save() {
        registrar.handle_saved(now, &save, true);
    }
    core::iter::from_fn(|| registrar.poll_transmit()).map(|(to, message)| (to.0, message)).collect()
}

/// Lets these members talk until nobody has anything to say.
fn talk(all: &mut [Registrar], now: Time) {
    loop {
        let said: Vec<_> = all
            .iter_mut()
            .flat_map(|one| settle(one, now).into_iter().map(|it| (one.me().node, it)).collect::<Vec<_>>())
            .collect();
        if said.is_empty() {
            return;
        }
        for (from, (to, message)) in said {
            if let Some(one) = all.iter_mut().find(|one| one.me().node.0 == to) {
                one.handle_message(now, from, message);
            }
        }
    }
}

fn told(node: u32, can_vote: bool, known: Option<Configuration>) -> RegisterMessage {
    RegisterMessage::Told(Told {
        voter: voter(node),
        can_vote,
        progress: Progress::default(),
        known: known.map(Arc::new),
    })
}

#[test]
fn the_founder_waits_for_every_member() {
    let mut founder = registrar(0, true, None);
    founder.found(NOW, founders(3));
    assert_eq!(settle(&mut founder, NOW), [(1, RegisterMessage::Ask), (2, RegisterMessage::Ask)]);
    founder.handle_message(NOW, NodeId(2), told(2, true, None));
    // Somebody speaks for another one.
    founder.handle_message(NOW, NodeId(2), told(1, true, None));
    assert_eq!((founder.epoch(), founder.awaited()), (0, vec![NodeId(1)]));
    assert_eq!(founder.read(NOW), Err(ProposeError::Unfounded));
    let later = NOW + Duration::from_secs(1);
    founder.handle_timeout(later);
    // All of them: what was said is not so for ever.
    assert_eq!(settle(&mut founder, later), [(1, RegisterMessage::Ask), (2, RegisterMessage::Ask)]);
    founder.handle_message(later, NodeId(1), told(1, true, None));
    assert_eq!(founder.epoch(), 0, "before it is durable");
    assert_eq!(founder.poll_transmit(), None);
    let first = Configuration { new: MemberSet { catalog: 2, ..set(&[1, 1, 1]) }, ..founded(&[1, 1, 1]) };
    let learned = |to| (to, RegisterMessage::Question(RegisterQuestion::Learned(Arc::new(first.clone()))));
    assert_eq!(settle(&mut founder, later), [learned(1), learned(2)]);
    assert_eq!((founder.known().map(|known| (**known).clone()), founder.awaited()), (Some(first), vec![]));
}

#[test]
fn who_is_not_the_founder_asks_and_founds_nothing() {
    let mut other = registrar(1, true, None);
    other.found(NOW, founders(2));
    assert_eq!(settle(&mut other, NOW), [(0, RegisterMessage::Ask)]);
    other.handle_message(NOW, NodeId(0), told(0, true, None));
    assert_eq!((settle(&mut other, NOW), other.epoch()), (vec![], 0));
    let later = NOW + Duration::from_secs(1);
    other.handle_timeout(later);
    assert_eq!(settle(&mut other, later), [(0, RegisterMessage::Ask)], "again and again");
}

/// A founder with a new disk, of a cluster that was founded.
#[test]
fn a_cluster_is_founded_once() {
    let mut founder = registrar(0, true, None);
    founder.found(NOW, founders(3));
    settle(&mut founder, NOW);
    founder.handle_message(NOW, NodeId(1), told(1, true, None));
    let known = founded(&[1, 1, 1]).label(NodeId(1), "r".to_owned(), String::new()).unwrap();
    founder.handle_message(NOW, NodeId(2), told(2, true, Some(known.clone())));
    assert_eq!(settle(&mut founder, NOW), [], "nothing to tell: it is the others who know");
    assert_eq!(**founder.known().unwrap(), known);
    founder.found(NOW, founders(3));
    assert_eq!((settle(&mut founder, NOW), founder.awaited()), (vec![], vec![]));
}

#[test]
fn who_has_forgotten_has_no_vote_and_no_more_than_seven_have_one() {
    let mut founder = registrar(0, true, None);
    founder.found(NOW, founders(9));
    for node in 1..9 {
        founder.handle_message(NOW, NodeId(node), told(node, node != 3, None));
    }
    settle(&mut founder, NOW);
    let votes = founder.known().unwrap().new.members.iter().map(|member| member.weight).collect::<Vec<_>>();
    assert_eq!(votes, [1, 1, 1, 0, 1, 1, 1, 1, 0]);
}

/// Nobody can vote: it asks on, and says why.
#[test]
fn what_makes_no_configuration_is_said() {
    let mut founder = registrar(0, false, None);
    founder.found(NOW, founders(2));
    settle(&mut founder, NOW);
    founder.handle_message(NOW, NodeId(1), told(1, false, None));
    let error = founder.founding_error().map(ToString::to_string);
    assert_eq!(error.as_deref(), Some("voters: found 0, expected 1 to 7"));
    assert_eq!((settle(&mut founder, NOW), founder.awaited()), (vec![], vec![NodeId(1)]));
}

fn three() -> Vec<Registrar> {
    (0..3).map(|node| registrar(node, true, Some(&founded(&[1, 1, 1])))).collect()
}

fn outcome(registrar: &mut Registrar) -> Arc<Configuration> {
    match registrar.poll_outcome() {
        Some(Outcome::Done(found)) => found,
        other => panic!("{other:?}"),
    }
}

/// Votes change in two steps, and whoever asked waits for both.
#[test]
fn a_change_of_votes_ends_by_itself() {
    let mut all = three();
    let next = all[1].known().unwrap().weight(NodeId(2), 3).unwrap();
    assert!(next.old.is_some());
    all[1].change(NOW, next).unwrap();
    assert!(all[1].is_busy());
    talk(&mut all, NOW);
    let found = outcome(&mut all[1]);
    assert_eq!((found.epoch, &found.old, found.new.members[2].weight), (3, &None, 3));
    let epochs: Vec<_> = all.iter().map(Registrar::epoch).collect();
    assert_eq!((epochs, all[1].is_busy()), (vec![3, 3, 3], false));
}

/// Its proposer is gone in the midst of it.
#[test]
fn others_end_what_somebody_left() {
    let half = founded(&[1, 1, 1]).weight(NodeId(2), 3).unwrap();
    let mut all: Vec<_> = (0..3).map(|node| registrar(node, true, Some(&founded(&[1, 1, 1])))).collect();
    for one in &mut all {
        one.handle_message(
            NOW,
            NodeId(0),
            RegisterMessage::Question(RegisterQuestion::Learned(Arc::new(half.clone()))),
        );
    }
    talk(&mut all, NOW);
    assert_eq!(all.iter().map(Registrar::epoch).collect::<Vec<_>>(), [2, 2, 2]);
    all.remove(0);
    let due = all[0].poll_timeout().expect("a time to end it");
    assert!(due >= NOW + Duration::from_secs(2) && due < NOW + TENDED, "{due:?}");
    all[0].handle_timeout(due);
    talk(&mut all, due);
    assert_eq!(
        all.iter()
            .map(|one| one.known().unwrap().clone())
            .map(|known| (known.epoch, known.old.is_some()))
            .collect::<Vec<_>>(),
        [(3, false), (3, false)]
    );
    assert_eq!(all[0].poll_outcome(), None, "nobody asked");
}

/// Whoever was to end it gave up, and ends it later.
#[test]
fn what_could_not_be_ended_is_ended_later() {
    let half = founded(&[1, 1, 1]).weight(NodeId(2), 3).unwrap();
    let mut all: Vec<_> = (0..3).map(|node| registrar(node, true, Some(&half))).collect();
    let mut alone = all.split_off(2);
    let mut now = NOW;
    // It has learnt of the joint one in this start, and nobody answers.
    alone[0].handle_timeout(now);
    for _ in 0..3 {
        now = alone[0].poll_timeout().unwrap_or(now + TENDED);
        alone[0].handle_timeout(now);
        settle(&mut alone[0], now);
    }
    all.append(&mut alone);
    for _ in 0..40 {
        now = now + Duration::from_millis(500);
        for one in &mut all {
            one.handle_timeout(now);
        }
        talk(&mut all, now);
    }
    assert_eq!(all[2].epoch(), 3);
}

/// A life that is over gives way to the next one at once: where the same nodes keep data, nobody has to learn.
#[test]
fn a_new_life_takes_its_place() {
    let reborn = Voter { node: NodeId(2), life: Life(7) };
    let mut all = three();
    all[2] = Registrar::new(reborn, Some(Record::blank(reborn)), Some(Arc::new(founded(&[1, 1, 1]))), 1, 9);
    all[2].set_sure(NOW);
    let next = all[0].known().unwrap().replace(NodeId(2), Life(7)).unwrap();
    all[0].change(NOW, next).unwrap();
    talk(&mut all, NOW);
    let found = outcome(&mut all[0]);
    assert_eq!(
        (found.epoch, &found.old, found.new.members[2].voter, &*found.retired),
        (3, &None, reborn, &[voter(2)][..])
    );
    // It dies before anybody has heard of it, and another one comes: that is no other case.
    all.pop();
    let again = found.replace(NodeId(2), Life(8)).unwrap();
    all[0].change(NOW, again).unwrap();
    talk(&mut all, NOW);
    assert_eq!(outcome(&mut all[0]).new.members[2].voter.life, Life(8));
}

/// A set with other nodes is not in force alone before they have learnt; nor one with another number of catalog nodes.
#[test]
fn who_has_to_learn_is_waited_for() {
    let known = founded(&[1, 1, 1]);
    let drained = known.drain(NodeId(2)).unwrap();
    let mut other = Configuration { epoch: 2, since: 2, old: Some(known.new.clone()), ..known.clone() };
    other.new.catalog = 2;
    for joint in [drained, other] {
        let mut all = three();
        all[0].change(NOW, joint).unwrap();
        talk(&mut all, NOW);
        assert!(outcome(&mut all[0]).old.is_some());
        assert!(!all.iter().any(Registrar::is_tending));
    }
}

/// The older of two sets goes once whoever must has learnt, among the newer members and in the life that is one; whoever knows
/// nothing of them is one at most of the three of whom two are asked.
#[test]
fn the_older_set_goes_when_all_have_learnt_who_must() {
    let mut all = three();
    all[0].change(NOW, founded(&[1, 1, 1]).drain(NodeId(2)).unwrap()).unwrap();
    talk(&mut all, NOW);
    outcome(&mut all[0]);
    assert_eq!(all[0].learning(), [NodeId(0), NodeId(1)]);
    let mut now = NOW;
    let mut has_ended = |all: &mut [Registrar], progress: [(u64, bool); 3]| {
        for (one, (goes_by, has_learnt)) in all.iter_mut().zip(progress) {
            one.set_progress(Progress { goes_by, has_learnt });
        }
        now = now + Duration::from_secs(1);
        all[0].handle_timeout(now);
        talk(all, now);
        all[0].known().is_some_and(|known| known.old.is_none())
    };
    assert!(!has_ended(&mut all, [(2, true), (2, false), (2, true)]));
    assert!(!has_ended(&mut all, [(2, true), (1, true), (2, true)]), "of an earlier epoch");
    assert_eq!(all[0].learning(), [NodeId(1)]);
    let another = Told {
        voter: Voter { life: Life(9), ..voter(1) },
        can_vote: true,
        progress: Progress { goes_by: 2, has_learnt: true },
        known: None,
    };
    all[0].handle_message(NOW, NodeId(1), RegisterMessage::Told(another));
    talk(&mut all, NOW);
    assert!(all[0].known().unwrap().old.is_some(), "in another life");
    assert!(has_ended(&mut all, [(2, true), (2, true), (1, true)]));
}

/// Until it is known that the disk is no old copy it votes as little as one that has forgotten.
#[test]
fn who_is_not_sure_does_not_vote() {
    let known = founded(&[1, 1, 1]);
    let mut all = three();
    let record = Record::blank(voter(1));
    all[1] = Registrar::new(voter(1), Some(record), Some(Arc::new(known.clone())), 1, 1);
    all.remove(2);
    all[0].change(NOW, known.label(NodeId(0), "r".to_owned(), String::new()).unwrap()).unwrap();
    talk(&mut all, NOW);
    assert_eq!(all[0].poll_outcome(), None);
    all[1].handle_message(NOW, NodeId(0), RegisterMessage::Ask);
    let Some((_, RegisterMessage::Told(told))) = all[1].poll_transmit() else { panic!("an answer") };
    assert!(!told.can_vote);
    all[1].set_sure(NOW);
    let later = NOW + Duration::from_millis(400);
    all[0].handle_timeout(later);
    talk(&mut all, later);
    assert_eq!(outcome(&mut all[0]).epoch, 2);
}

/// What leaps is followed by steps, or not at all: it would use up what there is.
#[test]
fn numbers_that_leap_are_not_followed() {
    let mut all = three();
    let far = Ballot { number: 1 << 61, proposer: voter(1), incarnation: 1 };
    let prepare = RegisterMessage::Question(RegisterQuestion::Prepare { to: voter(0), ballot: far });
    all[0].handle_message(NOW, NodeId(1), prepare);
    assert_eq!(settle(&mut all[0], NOW), [], "no answer");
    let mut ahead = founded(&[1, 1, 1]);
    ahead.epoch = 1 << 61;
    all[0].handle_message(NOW, NodeId(1), RegisterMessage::Question(RegisterQuestion::Learned(Arc::new(ahead))));
    settle(&mut all[0], NOW);
    assert_eq!(all[0].epoch(), 1);
    // Unasked, and of somebody who was not asked.
    for from in [1, 9] {
        let refused = Verdict::Refused { promised: far, accepted: None };
        let answer = RegisterAnswer { voter: voter(from), ballot: far, verdict: refused };
        all[0].handle_message(NOW, NodeId(from), RegisterMessage::Answer(answer));
    }
    all[0].change(NOW, founded(&[1, 1, 1]).label(NodeId(0), "r".to_owned(), String::new()).unwrap()).unwrap();
    talk(&mut all, NOW);
    assert_eq!(outcome(&mut all[0]).epoch, 2);
}

/// The first configuration of another cluster is not this one's.
#[test]
fn a_founder_with_another_file_founds_another_cluster() {
    let mut other = registrar(1, true, None);
    other.found(NOW, founders(2));
    settle(&mut other, NOW);
    other.handle_message(NOW, NodeId(0), told(0, true, Some(founded(&[1, 1, 1]))));
    settle(&mut other, NOW);
    assert_eq!(other.epoch(), 0);
}

/// Whoever speaks in a later epoch is asked, and not again at once.
#[test]
fn who_knows_less_asks() {
    let mut all = three();
    let labelled = Arc::new(founded(&[1, 1, 1]).drain(NodeId(2)).unwrap());
    all[0].handle_message(NOW, NodeId(1), RegisterMessage::Question(RegisterQuestion::Learned(labelled)));
    talk(&mut all, NOW);
    let now = NOW + Duration::from_secs(1);
    all[1].hear_since(now, NodeId(0), 0);
    assert_eq!(all[1].poll_transmit(), None);
    all[1].hear_since(now, NodeId(0), 2);
    all[1].hear_since(now, NodeId(0), 2);
    assert_eq!(all[1].poll_transmit(), Some((NodeId(0), RegisterMessage::Ask)));
    assert_eq!(all[1].poll_transmit(), None);
    all[0].handle_message(now, NodeId(1), RegisterMessage::Ask);
    talk(&mut all, now);
    assert_eq!(all[1].epoch(), 2);
}

/// What the disk did not take is not known, nor told of.
#[test]
fn what_is_not_durable_is_not_known() {
    let mut one = registrar(1, true, None);
    one.found(NOW, founders(3));
    settle(&mut one, NOW);
    one.handle_message(NOW, NodeId(0), told(0, true, Some(founded(&[1, 1, 1]))));
    let save = one.poll_save().expect("a configuration to keep");
    assert!(matches!(save, Save::Configuration(_)));
    assert_eq!(one.poll_save(), None, "once");
    one.handle_saved(NOW, &save, false);
    assert_eq!(one.epoch(), 0);
    let again = one.poll_save().expect("once more");
    one.handle_saved(NOW, &again, true);
    assert_eq!((one.epoch(), one.poll_save()), (1, None));
}

/// Whoever changed it hears of it when it is durable here too; and all the same where the disk refuses.
#[test]
fn who_asked_hears_of_it_when_it_is_durable() {
    for refuses in [false, true] {
        let mut all = three();
        let labelled = all[0].known().unwrap().label(NodeId(0), "r".to_owned(), String::new()).unwrap();
        all[0].change(NOW, labelled).unwrap();
        let mut kept = None;
        while kept.is_none() {
            let mut said = Vec::new();
            for one in &mut all {
                while let Some(save) = one.poll_save() {
                    if matches!(save, Save::Configuration(_)) && one.me() == voter(0) {
                        kept = Some(save);
                    } else {
                        one.handle_saved(NOW, &save, true);
                    }
                }
                let from = one.me().node;
                said.extend(core::iter::from_fn(|| one.poll_transmit()).map(|(to, message)| (from, to, message)));
            }
            for (from, to, message) in said {
                all[to.0 as usize].handle_message(NOW, from, message);
            }
        }
        assert_eq!(all[0].poll_outcome(), None);
        all[0].handle_saved(NOW, &kept.unwrap(), !refuses);
        assert_eq!(outcome(&mut all[0]).epoch, 2);
        assert_eq!(all[0].epoch(), if refuses { 1 } else { 2 });
    }
}

/// What comes while the disk is at work is written down next.
#[test]
fn news_behind_news_is_kept() {
    let mut one = registrar(1, true, Some(&founded(&[1, 1, 1])));
    let second = founded(&[1, 1, 1]).label(NodeId(0), "r".to_owned(), String::new()).unwrap();
    let third = second.label(NodeId(0), "s".to_owned(), String::new()).unwrap();
    let learned = |value: &Configuration| RegisterMessage::Question(RegisterQuestion::Learned(Arc::new(value.clone())));
    one.handle_message(NOW, NodeId(0), learned(&second));
    let save = one.poll_save().expect("the second");
    one.handle_message(NOW, NodeId(0), learned(&third));
    assert_eq!(one.poll_save(), None, "one at a time");
    one.handle_saved(NOW, &save, true);
    assert_eq!(one.epoch(), 2);
    assert_eq!(one.poll_save(), Some(Save::Configuration(third.to_bytes())));
}
