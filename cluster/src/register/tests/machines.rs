//! Acceptor, proposer and learner by themselves.

use super::*;
use crate::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

const NOW: Time = Time::from_micros(0);
/// Behind the longest wait that follows a first refusal, and before anything is asked again.
const SOON: Time = Time::from_micros(50_000);
/// Behind everything.
const LATE: Time = Time::from_micros(10_000_000);

fn ballot(number: u64, node: u32) -> Ballot {
    Ballot { number, proposer: voter(node), incarnation: 1 }
}

fn blank(node: u32) -> Acceptor {
    Acceptor::new(voter(node), Some(Record::blank(voter(node))))
}

fn prepare(node: u32, ballot: Ballot) -> RegisterQuestion {
    RegisterQuestion::Prepare { to: voter(node), ballot }
}

fn accept(node: u32, proposal: &Accepted) -> RegisterQuestion {
    RegisterQuestion::Accept { to: voter(node), proposal: proposal.clone() }
}

/// `base` with another label on node 0: what follows it without altering a quorum.
fn labelled(base: &Arc<Configuration>, rack: &str) -> Arc<Configuration> {
    Arc::new(base.label(NodeId(0), rack.to_owned(), String::new()).unwrap())
}

fn three() -> Arc<Configuration> {
    Arc::new(founded(&[1, 1, 1]))
}

fn proposal(ballot: Ballot, base: &Arc<Configuration>, rack: &str) -> Accepted {
    Accepted { ballot, base: Arc::clone(base), value: labelled(base, rack) }
}

/// Asks, and has it made durable.
fn ask(acceptor: &mut Acceptor, question: &RegisterQuestion) -> Verdict {
    acceptor.handle_question(NodeId(9), question);
    if acceptor.poll_save().is_some() {
        assert_eq!(acceptor.poll_transmit(), None, "an answer before it is durable");
        acceptor.handle_saved();
    }
    let (to, answer) = acceptor.poll_transmit().expect("an answer");
    assert_eq!((to, acceptor.poll_transmit()), (NodeId(9), None));
    answer.verdict
}

#[test]
fn an_answer_waits_until_it_is_durable() {
    let mut acceptor = blank(0);
    acceptor.handle_question(NodeId(1), &prepare(0, ballot(1, 1)));
    assert_eq!(acceptor.poll_transmit(), None);
    let saved = Record::parse(&acceptor.poll_save().unwrap()).unwrap();
    assert_eq!(saved.promised, Some(ballot(1, 1)));
    // Asked while the disk is at work: it belongs to the next save, although it says nothing of its own that is new.
    acceptor.handle_question(NodeId(2), &prepare(0, ballot(2, 2)));
    assert_eq!((acceptor.poll_transmit(), acceptor.poll_save()), (None, None));
    acceptor.handle_saved();
    assert_eq!(acceptor.poll_transmit().unwrap().0, NodeId(1));
    assert_eq!(acceptor.poll_transmit(), None);
    let saved = Record::parse(&acceptor.poll_save().unwrap()).unwrap();
    assert_eq!(saved.promised, Some(ballot(2, 2)));
    // Nothing new, but it rests on what is not durable.
    acceptor.handle_question(NodeId(3), &prepare(0, ballot(1, 3)));
    assert_eq!((acceptor.poll_transmit(), acceptor.poll_save()), (None, None));
    acceptor.handle_saved();
    let to: Vec<_> = core::iter::from_fn(|| acceptor.poll_transmit()).map(|(to, _)| to.0).collect();
    assert_eq!(to, [2, 3]);
    // A repetition changes nothing, and is answered at once.
    acceptor.handle_question(NodeId(2), &prepare(0, ballot(2, 2)));
    assert_eq!(acceptor.poll_save(), None);
    assert_eq!(acceptor.poll_transmit().unwrap().1.verdict, Verdict::Promised(None));
}

#[test]
fn what_is_not_durable_is_not_answered() {
    let mut acceptor = blank(0);
    acceptor.handle_question(NodeId(1), &prepare(0, ballot(1, 1)));
    let record = acceptor.poll_save();
    acceptor.handle_question(NodeId(2), &prepare(0, ballot(1, 1)));
    acceptor.handle_save_failure();
    assert_eq!((acceptor.poll_transmit(), acceptor.poll_save()), (None, record));
    acceptor.handle_saved();
    assert_eq!(acceptor.poll_transmit(), None);
}

#[test]
fn answers_are_bounded() {
    let mut acceptor = blank(0);
    for number in 1..=1000 {
        acceptor.handle_question(NodeId(1), &prepare(0, ballot(number, 1)));
    }
    acceptor.poll_save().unwrap();
    acceptor.handle_saved();
    assert_eq!(core::iter::from_fn(|| acceptor.poll_transmit()).count(), ANSWERS_MAX);
    assert_eq!(acceptor.record().unwrap().promised, Some(ballot(256, 1)));
}

#[test]
fn a_promise_is_kept() {
    let (mut acceptor, base) = (blank(0), three());
    assert_eq!(ask(&mut acceptor, &prepare(0, ballot(2, 1))), Verdict::Promised(None));
    let refused = Verdict::Refused { promised: ballot(2, 1), accepted: None };
    assert_eq!(ask(&mut acceptor, &prepare(0, ballot(1, 2))), refused);
    assert_eq!(ask(&mut acceptor, &accept(0, &proposal(ballot(1, 2), &base, "a"))), refused);
    assert_eq!(acceptor.record().unwrap().accepted, None);
    // Of one number the higher proposer is the higher ballot, and of one proposer the later start.
    let later = Ballot { incarnation: 2, ..ballot(2, 1) };
    assert_eq!(ask(&mut acceptor, &prepare(0, later)), Verdict::Promised(None));
    assert!(matches!(ask(&mut acceptor, &prepare(0, ballot(2, 1))), Verdict::Refused { .. }));
    let accepted = proposal(ballot(2, 2), &base, "a");
    assert_eq!(ask(&mut acceptor, &accept(0, &accepted)), Verdict::Accepted);
    assert_eq!(ask(&mut acceptor, &accept(0, &accepted)), Verdict::Accepted);
    let refused = Verdict::Refused { promised: ballot(2, 2), accepted: Some(accepted.clone()) };
    assert_eq!(ask(&mut acceptor, &prepare(0, later)), refused);
    // Without a promise of its own an acceptance is one.
    assert_eq!(ask(&mut acceptor, &accept(0, &proposal(ballot(3, 1), &base, "b"))), Verdict::Accepted);
    assert!(matches!(ask(&mut acceptor, &prepare(0, ballot(2, 9))), Verdict::Refused { .. }));
}

/// What was forced stays, however high the ballots of those are who have not heard of it.
#[test]
fn an_acceptor_goes_to_no_lower_epoch() {
    let (mut acceptor, base) = (blank(0), three());
    let value = Arc::new(base.force(&[voter(1), voter(2)], None).unwrap());
    let forced = Accepted { ballot: ballot(1, 0), base: Arc::clone(&base), value };
    assert_eq!(ask(&mut acceptor, &accept(0, &forced)), Verdict::Accepted);
    let refused = Verdict::Refused { promised: ballot(1, 0), accepted: Some(forced) };
    assert_eq!(ask(&mut acceptor, &accept(0, &proposal(ballot(5, 1), &base, "a"))), refused);
}

#[test]
fn whoever_has_forgotten_is_no_voter() {
    let other = Voter { life: Life(999), ..voter(0) };
    let lives = [Acceptor::new(voter(0), None), Acceptor::new(voter(0), Some(Record::blank(other))), blank(0)];
    for (mut acceptor, asked) in lives.into_iter().zip([voter(0), voter(0), other]) {
        let question = RegisterQuestion::Prepare { to: asked, ballot: ballot(1, 1) };
        acceptor.handle_question(NodeId(1), &question);
        assert_eq!(acceptor.poll_save(), None);
        let (_, answer) = acceptor.poll_transmit().unwrap();
        assert_eq!((answer.voter, answer.verdict), (voter(0), Verdict::NotI));
    }
}

#[test]
fn a_learner_never_goes_back() {
    let (first, mut learner) = (three(), Learner::new(three()));
    let second = labelled(&first, "a");
    assert!(learner.learn(Arc::clone(&second)) && !learner.learn(first) && !learner.learn(Arc::clone(&second)));
    assert_eq!(learner.known(), &second);
}

/// Voters, and a proposer that asks those of them that are up.
struct Room {
    acceptors: BTreeMap<NodeId, Acceptor>,
    proposer: Proposer,
    told: Vec<u32>,
}

impl Room {
    fn of(nodes: u32) -> Self {
        let acceptors = (0..nodes).map(|node| (NodeId(node), blank(node))).collect();
        Self { acceptors, proposer: Proposer::new(voter(0), 1, 1), told: Vec::new() }
    }

    fn has(mut self, node: u32, accepted: &Accepted) -> Self {
        ask(self.acceptors.get_mut(&NodeId(node)).unwrap(), &accept(node, accepted));
        self
    }

    /// Lets all that is sent be answered by these nodes; gives how many exchanges that took.
    fn run(&mut self, now: Time, up: &[u32]) -> u32 {
        let mut exchanges = 0;
        loop {
            let sent: Vec<_> = core::iter::from_fn(|| self.proposer.poll_transmit()).collect();
            let (told, asked): (Vec<_>, Vec<_>) =
                sent.into_iter().partition(|(_, question)| matches!(question, RegisterQuestion::Learned(_)));
            self.told.extend(told.iter().map(|(to, _)| to.0));
            if asked.is_empty() {
                return exchanges;
            }
            exchanges += 1;
            for (to, question) in asked.into_iter().filter(|(to, _)| up.contains(&to.0)) {
                let acceptor = self.acceptors.get_mut(&to).unwrap();
                acceptor.handle_question(NodeId(0), &question);
                acceptor.poll_save();
                acceptor.handle_saved();
                while let Some((_, answer)) = acceptor.poll_transmit() {
                    self.proposer.handle_answer(now, to, answer);
                }
            }
        }
    }

    fn change(&mut self, base: &Arc<Configuration>, value: &Arc<Configuration>, up: &[u32]) -> Option<Outcome> {
        self.proposer.change(NOW, Arc::clone(base), Arc::clone(value)).unwrap();
        self.run(NOW, up);
        self.proposer.poll_outcome()
    }

    fn gave_up(&mut self) -> (Vec<(u32, Absence)>, bool) {
        self.proposer.handle_timeout(LATE);
        match self.proposer.poll_outcome() {
            Some(Outcome::GaveUp { missing, undecided }) => {
                (missing.into_iter().map(|missing| (missing.voter.node.0, missing.absence)).collect(), undecided)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_change_takes_two_exchanges() {
    let (mut room, base) = (Room::of(3), three());
    let value = labelled(&base, "a");
    room.proposer.change(NOW, Arc::clone(&base), Arc::clone(&value)).unwrap();
    assert_eq!(room.proposer.read(NOW, Arc::clone(&base)), Err(ProposeError::Busy));
    assert_eq!(room.run(NOW, &[0, 1, 2]), 2);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Done(value)));
    assert_eq!((room.told, room.proposer.poll_timeout()), (vec![1, 2], None));
}

#[test]
fn what_may_not_follow_is_not_proposed() {
    let (mut room, base) = (Room::of(3), three());
    let other = Arc::new(Configuration { epoch: 2, ..founded(&[1]) });
    let refused = room.proposer.change(NOW, Arc::clone(&base), other);
    assert_eq!(refused, Err(ProposeError::Configuration(StepError::Quorums(1).into())));
    let wrong = Arc::new(Configuration { epoch: 2, note: "\n".to_owned(), ..founded(&[1, 1, 1]) });
    assert!(room.proposer.change(NOW, base, wrong).is_err());
    assert_eq!(room.proposer.poll_timeout(), None);
}

/// One of three is no majority: who is missing is named, and nothing was proposed.
#[test]
fn who_is_missing_is_named() {
    let (mut room, base) = (Room::of(3), three());
    assert_eq!(room.change(&base, &labelled(&base, "a"), &[0]), None);
    assert_eq!(room.gave_up(), (vec![(1, Absence::Silent), (2, Absence::Silent)], false));
    assert!(room.acceptors.values().all(|acceptor| acceptor.record().unwrap().accepted.is_none()));
    // A node with another disk says so, and does not count.
    let other = Voter { life: Life(999), ..voter(1) };
    room.acceptors.insert(NodeId(1), Acceptor::new(other, Some(Record::blank(other))));
    assert_eq!(room.change(&base, &labelled(&base, "a"), &[0, 1]), None);
    assert_eq!(room.gave_up(), (vec![(1, Absence::Life(Life(999))), (2, Absence::Silent)], false));
}

#[test]
fn what_was_sent_may_still_come_into_force() {
    let (mut room, base) = (Room::of(3), three());
    let value = labelled(&base, "a");
    room.proposer.change(NOW, Arc::clone(&base), Arc::clone(&value)).unwrap();
    let questions: Vec<_> = core::iter::from_fn(|| room.proposer.poll_transmit()).collect();
    for (to, question) in questions {
        let acceptor = room.acceptors.get_mut(&to).unwrap();
        let verdict = ask(acceptor, &question);
        room.proposer.handle_answer(NOW, to, RegisterAnswer { voter: voter(to.0), ballot: ballot(1, 0), verdict });
    }
    room.run(NOW, &[2]);
    assert_eq!(room.gave_up(), (vec![(0, Absence::Silent), (1, Absence::Silent)], true));
    // A read completes it.
    room.proposer.read(NOW, base).unwrap();
    room.run(NOW, &[1, 2]);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Done(value)));
    assert!(room.acceptors[&NodeId(1)].record().unwrap().accepted.is_some());
}

/// Answers of another life, of another node, or to another ballot count for nothing, nor does one that comes twice.
#[test]
fn only_voters_answers_count() {
    let (mut room, base) = (Room::of(3), three());
    room.proposer.change(NOW, Arc::clone(&base), labelled(&base, "a")).unwrap();
    while room.proposer.poll_transmit().is_some() {}
    let promised = |voter: Voter, ballot: Ballot| RegisterAnswer { voter, ballot, verdict: Verdict::Promised(None) };
    let first = ballot(1, 0);
    room.proposer.handle_answer(NOW, NodeId(0), promised(voter(0), first));
    let other = Voter { life: Life(999), ..voter(1) };
    let counts_not = [
        (0, promised(voter(0), first)),
        (1, promised(other, first)),
        (0, promised(voter(1), first)),
        (7, promised(voter(7), first)),
        (1, promised(voter(1), ballot(2, 0))),
        (1, promised(voter(1), Ballot { incarnation: 2, ..first })),
        (1, RegisterAnswer { voter: voter(1), ballot: first, verdict: Verdict::Accepted }),
        (1, RegisterAnswer { voter: voter(1), ballot: first, verdict: Verdict::NotI }),
    ];
    for (from, answer) in counts_not {
        room.proposer.handle_answer(NOW, NodeId(from), answer.clone());
        assert_eq!(room.proposer.poll_transmit(), None, "{answer:?} of {from}");
    }
    room.proposer.handle_answer(NOW, NodeId(1), promised(voter(1), first));
    assert!(matches!(room.proposer.poll_transmit(), Some((_, RegisterQuestion::Accept { .. }))));
}

/// Of what was accepted under different ballots the highest goes on, not the most frequent and not one's own.
#[test]
fn the_highest_ballot_goes_on() {
    let base = three();
    let (low, high) = (proposal(ballot(1, 1), &base, "low"), proposal(ballot(1, 2), &base, "high"));
    for (first, second) in [(&low, &high), (&high, &low)] {
        let mut room = Room::of(3).has(0, first).has(1, second);
        // Refused at first: both have promised more.
        assert_eq!(room.change(&base, &labelled(&base, "own"), &[0, 1]), None);
        room.proposer.handle_timeout(SOON);
        assert_eq!(room.run(SOON, &[0, 1]), 2);
        let by = Arc::clone(&high.value);
        assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Superseded { by, undecided: false }));
    }
    // One's own, from an earlier start, is what was wanted.
    let mut room = Room::of(3).has(0, &low);
    assert_eq!(room.change(&base, &low.value, &[0, 1]), None);
    room.proposer.handle_timeout(SOON);
    room.run(SOON, &[0, 1]);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Done(Arc::clone(&low.value))));
}

/// Compare-and-set: what was computed from a configuration that is not in force any more is given up at once.
#[test]
fn a_change_of_an_old_configuration_is_superseded() {
    let (first, mut proposals) = (three(), Vec::new());
    let second = labelled(&first, "a");
    proposals.push(proposal(ballot(1, 1), &second, "b"));
    let mut room = Room::of(3).has(1, &proposals[0]);
    let expected = Outcome::Superseded { by: Arc::clone(&second), undecided: false };
    assert_eq!(room.change(&first, &labelled(&first, "own"), &[0, 1]), Some(expected));
    assert!(room.acceptors[&NodeId(0)].record().unwrap().accepted.is_none());
    // A read goes on to what may be in force, and completes it.
    room.proposer.read(NOW, first).unwrap();
    room.run(NOW, &[0, 1]);
    room.proposer.handle_timeout(SOON);
    room.run(SOON, &[0, 1]);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Done(Arc::clone(&proposals[0].value))));
    // Told that it is in force, a change of an older one ends too.
    room.proposer.change(NOW, Arc::clone(&second), labelled(&second, "own")).unwrap();
    room.proposer.handle_learned(NOW, &second);
    assert_eq!(room.proposer.poll_outcome(), None);
    room.proposer.handle_learned(NOW, &proposals[0].value);
    let by = Arc::clone(&proposals[0].value);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Superseded { by, undecided: false }));
}

/// Majorities of the old set and of the new one, in both phases: else nothing is proposed.
#[test]
fn a_joint_change_needs_both_majorities() {
    let base = Arc::new(founded(&[1, 1, 1]).add(member(3, 0)).unwrap());
    let joint = Arc::new(base.promote(NodeId(3), Some(3)).unwrap());
    // New: 0, 1 and 2 a vote each and 3 three of them, with the tie four: nothing without it.
    for (up, missing) in [(&[0, 1, 2][..], vec![3]), (&[0, 3], vec![1, 2])] {
        let mut room = Room::of(4);
        assert_eq!(room.change(&base, &joint, up), None);
        let (named, undecided) = room.gave_up();
        assert_eq!((named.iter().map(|(node, _)| *node).collect::<Vec<_>>(), undecided), (missing, false));
    }
    let mut room = Room::of(4);
    assert_eq!(room.change(&base, &joint, &[0, 1, 3]), Some(Outcome::Done(Arc::clone(&joint))));
    // Both are in force until it is finished.
    let four = Arc::new(joint.finish().unwrap());
    assert_eq!(room.change(&joint, &four, &[0, 3]), None);
    room.gave_up();
    assert_eq!(room.change(&joint, &four, &[0, 2, 3]), Some(Outcome::Done(four)));
}

/// Whoever knows the old set only is shown the new one by it.
#[test]
fn an_old_configuration_leads_to_the_newest() {
    let first = Arc::new(founded(&[1, 1, 1]).add(member(3, 0)).unwrap());
    let joint = Arc::new(first.promote(NodeId(3), Some(1)).unwrap());
    let four = Arc::new(joint.finish().unwrap());
    let mut room = Room::of(4);
    assert!(matches!(room.change(&first, &joint, &[0, 1, 2, 3]), Some(Outcome::Done(_))));
    assert!(matches!(room.change(&joint, &four, &[1, 2, 3]), Some(Outcome::Done(_))));
    room.proposer.read(NOW, first).unwrap();
    room.run(NOW, &[0, 2, 3]);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Done(four)));
}

#[test]
fn the_refused_wait_and_go_above() {
    let base = three();
    let mut room = Room::of(3);
    for (node, number) in [(0, 7), (1, 9)] {
        ask(room.acceptors.get_mut(&NodeId(node)).unwrap(), &prepare(node, ballot(number, 2)));
    }
    let value = labelled(&base, "a");
    assert_eq!(room.change(&base, &value, &[0, 1]), None);
    let wake = room.proposer.poll_timeout().unwrap();
    assert!((20_000..40_000).contains(&wake.micros()), "{wake:?}");
    room.proposer.handle_timeout(Time::from_micros(19_999));
    assert_eq!(room.proposer.poll_transmit(), None);
    room.proposer.handle_timeout(wake);
    assert_eq!(room.run(wake, &[0, 1]), 2);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Done(value)));
    assert_eq!(room.acceptors[&NodeId(1)].record().unwrap().promised.unwrap().number, 10);
}

/// A proposer that starts again begins with other ballots.
#[test]
fn starts_have_ballots_of_their_own() {
    let ballots = [1, 2].map(|incarnation| {
        let mut proposer = Proposer::new(voter(0), incarnation, 1);
        proposer.read(NOW, three()).unwrap();
        match proposer.poll_transmit() {
            Some((_, RegisterQuestion::Prepare { ballot, .. })) => ballot,
            other => panic!("{other:?}"),
        }
    });
    assert!(ballots[0] < ballots[1], "{ballots:?}");
}

#[test]
fn whoever_does_not_answer_is_asked_again() {
    let (mut room, base) = (Room::of(3), three());
    room.proposer.change(NOW, Arc::clone(&base), labelled(&base, "a")).unwrap();
    room.run(NOW, &[0]);
    let wake = room.proposer.poll_timeout().unwrap();
    assert_eq!(wake.micros(), 300_000);
    room.proposer.handle_timeout(wake);
    let again: Vec<_> = core::iter::from_fn(|| room.proposer.poll_transmit()).map(|(to, _)| to.0).collect();
    assert_eq!(again, [1, 2]);
}

#[test]
fn what_is_left_can_be_forced() {
    let base = three();
    let forced = Arc::new(base.force(&[voter(1), voter(2)], None).unwrap());
    let mut room = Room::of(3);
    assert_eq!(room.change(&base, &forced, &[0]), Some(Outcome::Done(Arc::clone(&forced))));
    // Those given up are told of it by whoever is left, and it goes on from there.
    room.proposer.read(NOW, Arc::clone(&base)).unwrap();
    room.run(NOW, &[0, 1]);
    assert_eq!(room.proposer.poll_outcome(), Some(Outcome::Done(Arc::clone(&forced))));
    assert_eq!(
        room.change(&base, &labelled(&base, "a"), &[0, 1]),
        Some(Outcome::Superseded { by: forced, undecided: false })
    );
    // What is left may have agreed to more than whoever forces knows.
    let half = proposal(ballot(1, 0), &base, "half");
    let mut room = Room::of(3).has(0, &half);
    let forced = Arc::new(base.force(&[voter(1), voter(2)], None).unwrap());
    let expected = Outcome::Superseded { by: half.value, undecided: false };
    assert_eq!(room.change(&base, &forced, &[0]), Some(expected));
}

/// The lives that a change ends have no vote in it: people are told that it is they who are missing.
#[test]
fn a_life_that_ends_does_not_vote_for_its_end() {
    let base = Arc::new(founded(&[2, 1]));
    let replaced = Arc::new(base.replace(NodeId(0), Life(999)).unwrap());
    let mut room = Room::of(2);
    let new = Voter { node: NodeId(0), life: Life(999) };
    room.acceptors.insert(NodeId(0), Acceptor::new(new, Some(Record::blank(new))));
    assert_eq!(room.change(&base, &replaced, &[0, 1]), None);
    assert_eq!(room.gave_up(), (vec![(0, Absence::Retired)], false));
}
