//! What the node answers its peers.

use super::{Look, Node, UploadPart};
use crate::peer::{NotTaken, Office, PeerAnswer, PeerAsk, Refusal};
use bytes::Bytes;
use futures_util::future::join_all;
use rain_cluster::register::RegisterMessage;
use rain_cluster::{NodeId, Reply, Request, Sender};
use rain_session::PublicKey;
use rain_wire::{Answer, Question};
use std::sync::Arc;

impl Office for Node {
    async fn answer(self: &Arc<Self>, from: Sender, ask: PeerAsk) -> Result<PeerAnswer, Refusal> {
        let is_heard = self.admit_peer(from, matches!(ask, PeerAsk::Questions(_))).await?;
        match ask {
            PeerAsk::Questions(body) if is_heard => self.answer_all(from, body).await,
            // Its machines understand that.
            PeerAsk::Questions(body) => self.retired(from, body),
            _ if !is_heard => Err(Refusal::Over { node: from.node, life: from.life }),
            PeerAsk::Register(body) => {
                let message = RegisterMessage::parse(&body).map_err(|error| self.unfit(from, error.to_string()))?;
                self.take_register_message(from, message);
                Ok(PeerAnswer::Taken)
            }
            PeerAsk::Upload { version, .. } if version.node != from.node => {
                Err(Refusal::NotIts { node: from.node, version })
            }
            PeerAsk::Upload { title, version, offset, begin, bytes } => {
                self.take_upload(UploadPart { title, version, offset }, begin, bytes).await?;
                Ok(PeerAnswer::Taken)
            }
            PeerAsk::Column { title, version, column, read, from } => {
                let bytes = self.read_own_column(title, version, column, read).await?;
                if from > bytes.len() {
                    return Err(Refusal::Malformed("`from` is behind the end of the answer".to_owned()));
                }
                Ok(PeerAnswer::Column(bytes.slice(from..)))
            }
            PeerAsk::Inspect { title, version, blocks } => {
                let look = if blocks { Look::Blocks } else { Look::Header };
                Ok(PeerAnswer::Status(self.inspect_own(title, version, look).await))
            }
            PeerAsk::Titles { page, digest } => Ok(PeerAnswer::Titles(self.tell_listing(&page, &digest).await)),
            PeerAsk::Holding => Ok(PeerAnswer::Holding(self.store.columns_held())),
            PeerAsk::Unfit(refusal) => Err(refusal),
        }
    }

    async fn join(self: &Arc<Self>, who: NodeId, key: PublicKey, body: Bytes) -> Result<Bytes, NotTaken> {
        self.take_in(who, key, body).await
    }
}

impl Node {
    /// Whether the sender's life is not over.
    async fn admit_peer(self: &Arc<Self>, from: Sender, asks_questions: bool) -> Result<bool, Refusal> {
        if from.node == self.config.id || self.roster().member(from.node).is_none() {
            return Err(Refusal::Stranger(from.node));
        }
        if self.store.is_in_doubt(from) {
            self.ask_around();
            // Of a question it depends on what is asked.
            let doubted = Refusal::Doubted { node: from.node, life: from.life };
            return if asks_questions { Ok(true) } else { Err(doubted) };
        }
        Ok(self.admit(from).await?)
    }

    async fn answer_all(self: &Arc<Self>, from: Sender, body: Bytes) -> Result<PeerAnswer, Refusal> {
        let questions = Question::parse_all(body).map_err(|error| self.unfit(from, error.to_string()))?;
        let replies = join_all(questions.into_iter().map(|question| self.reply(from, question))).await;
        let replies: Vec<_> = replies.into_iter().collect::<Result<_, _>>()?;
        // One that stands for none of them: it is said once they are all durable.
        let me = self.store.me();
        let answers = replies.into_iter().map(|reply| reply.unwrap_or(Answer { from: me, reply: None }));
        Ok(PeerAnswer::Answers(answers.collect()))
    }

    /// What is answered to one question of several; nothing where the store failed.
    async fn reply(self: &Arc<Self>, from: Sender, question: Question) -> Result<Option<Answer>, Refusal> {
        let request = self.vetted(from, question).map_err(|why| self.unfit(from, why))?;
        if self.store.is_in_doubt(from) && !request.kind().only_asks() {
            return Ok(None);
        }
        match self.ask_store(from, request).await {
            Ok((from, reply)) => Ok(Some(Answer { from, reply: Some(reply) })),
            Err(error) => {
                tracing::warn!(%error, "the store refused");
                Ok(None)
            }
        }
    }

    /// What a peer asks, if it can be.
    fn vetted(&self, sender: Sender, question: Question) -> Result<Request, String> {
        let Question { from, request } = question;
        if (from.node, from.life) != (sender.node, sender.life) {
            return Err(format!("a question of node {}, expected node {}, who sent it", from.node, sender.node));
        }
        self.codes.vet_request(&request).map_err(|unfit| unfit.to_string())?;
        Ok(request)
    }

    fn unfit(&self, from: Sender, why: String) -> Refusal {
        self.note_unfit(from.node, &why);
        Refusal::Malformed(why)
    }

    /// To each question: its asker's life is over; and what is remembered of it, where that is asked.
    fn retired(&self, from: Sender, body: Bytes) -> Result<PeerAnswer, Refusal> {
        let questions = Question::parse_all(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let me = self.store.me();
        let reply = |question: Question| {
            let is_asked = question.request == Request::Remembered;
            if is_asked { Reply::Remembered(self.store.remembered(from)) } else { Reply::Retired }
        };
        let answers = questions.into_iter().map(|question| Answer { from: me, reply: Some(reply(question)) });
        Ok(PeerAnswer::Answers(answers.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SystemDisk;
    use rain_cluster::{Life, Memory, NodeId, Signet, Version};
    use rain_config::Config;
    use std::path::Path;

    const OLD: Sender = Sender { node: NodeId(11), life: Life(1), serial: 0, epoch: 0, signet: Signet(0) };
    const NEW: Sender = Sender { life: Life(2), ..OLD };

    fn unfit() -> PeerAsk {
        PeerAsk::Unfit(Refusal::Unknown("GET /".to_owned()))
    }

    fn lookup(from: Sender) -> PeerAsk {
        let mut body = Vec::new();
        Question { from, request: Request::Lookup { title: "a".to_owned() } }.push(&mut body);
        PeerAsk::Questions(body.into())
    }

    #[tokio::test]
    async fn who_asks_in_which_life_is_looked_at_before_what() {
        let folder = std::env::temp_dir().join(format!("rain-office-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "node = \"A\"\nid = \"0000000a\"\ndata = [{folder:?}]\ncode = \"replica:2\"\nlisten = \"127.0.0.1:80\"\n\
             interfaces = [{{ switch = \"s\", address = \"127.0.0.1:9\" }}]\n\
             peers = [{{ name = \"B\", id = \"0000000b\", http = \"http://b\", addresses = {{ s = \"127.0.0.2:9\" }} }}]"
        );
        let config = Config::parse(Path::new("a.toml"), &text, core::iter::empty()).unwrap();
        let node = Node::open(config, SystemDisk::take(&folder).unwrap(), Life(7)).unwrap();
        for node_id in [NodeId(10), NodeId(12)] {
            let refused = node.answer(Sender { node: node_id, ..OLD }, unfit()).await.unwrap_err();
            assert!(matches!(refused, Refusal::Stranger(of) if of == node_id), "{refused}");
        }
        let refused = node.answer(OLD, unfit()).await.unwrap_err();
        assert!(matches!(refused, Refusal::Unknown(_)), "{refused}");
        // Which of the two lives is over is not known yet.
        let refused = node.answer(NEW, unfit()).await.unwrap_err();
        assert!(matches!(refused, Refusal::Doubted { life: Life(2), .. }), "{refused}");
        assert!(node.store.admit(NEW).unwrap());
        let refused = node.answer(OLD, unfit()).await.unwrap_err();
        assert!(matches!(refused, Refusal::Over { life: Life(1), .. }), "{refused}");
        let Ok(PeerAnswer::Answers(answers)) = node.answer(OLD, lookup(OLD)).await else { panic!("answers") };
        assert_eq!(answers.iter().map(|answer| answer.reply.clone()).collect::<Vec<_>>(), [Some(Reply::Retired)]);
        // Of what is remembered it hears all the same.
        let mut body = Vec::new();
        Question { from: OLD, request: Request::Remembered }.push(&mut body);
        let Ok(PeerAnswer::Answers(answers)) = node.answer(OLD, PeerAsk::Questions(body.into())).await else {
            panic!("answers")
        };
        let [Answer { reply: Some(Reply::Remembered(memory)), .. }] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(*memory, Memory { lives: [NEW, OLD].map(Sender::testimony).to_vec(), retired: true });
        let Ok(PeerAnswer::Answers(answers)) = node.answer(NEW, lookup(NEW)).await else { panic!("answers") };
        assert!(matches!(answers[..], [Answer { reply: Some(Reply::State(_)), .. }]), "{answers:?}");
        let refused = node.answer(NEW, lookup(OLD)).await.unwrap_err();
        assert!(matches!(refused, Refusal::Malformed(_)), "{refused}");
        // A column is taken of the version's coordinator alone.
        for (of, expected) in [(10, true), (12, true), (11, false)] {
            let version = Version { counter: 1, node: NodeId(of), life: Life(2), random: 3 };
            let (title, bytes) = ("a".to_owned(), Bytes::from_static(b"of none that was begun"));
            let refused = node.answer(NEW, PeerAsk::Upload { title, version, offset: 0, begin: None, bytes }).await;
            let refused = refused.unwrap_err();
            assert_eq!(matches!(refused, Refusal::NotIts { .. }), expected, "{refused}");
        }
        drop(node);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
