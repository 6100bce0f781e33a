//! What a write demands of the title as it is, by entity tags (RFC 9110, 13.1).

/// What must hold of the present version for a write to be done. The default demands nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `If-Match`: tags of which the present one must be one, by the strong comparison; `*` is any.
    pub matches: Option<Vec<String>>,
    /// `If-None-Match`: tags of which the present one must be none, by the weak comparison; `*` is any.
    pub none_matches: Option<Vec<String>>,
}

impl Precondition {
    /// There must be no such title.
    pub fn absent() -> Self {
        Self { matches: None, none_matches: Some(vec!["*".to_owned()]) }
    }

    /// The present version must be the one with this tag.
    pub fn is(etag: &str) -> Self {
        Self { matches: Some(vec![etag.to_owned()]), none_matches: None }
    }

    /// Whether it demands anything.
    pub fn is_some(&self) -> bool {
        self.matches.is_some() || self.none_matches.is_some()
    }

    /// Whether it holds of a title whose present version has this tag; `None` where there is no such title.
    pub fn holds(&self, etag: Option<&str>) -> bool {
        self.matches.as_ref().is_none_or(|tags| strong(tags, etag))
            && !self.none_matches.as_ref().is_some_and(|tags| weak(tags, etag))
    }
}

/// The strong comparison of RFC 9110, 8.8.3.2: a weak tag never matches.
pub fn strong(tags: &[impl AsRef<str>], etag: Option<&str>) -> bool {
    etag.is_some_and(|etag| tags.iter().any(|tag| tag.as_ref() == "*" || tag.as_ref() == etag))
}

/// The weak comparison of RFC 9110, 8.8.3.2. Ours are strong, so only the mark of a weak one is passed over.
pub fn weak(tags: &[impl AsRef<str>], etag: Option<&str>) -> bool {
    let same = |tag: &str, etag| tag == "*" || tag.trim_start_matches("W/") == etag;
    etag.is_some_and(|etag| tags.iter().any(|tag| same(tag.as_ref(), etag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_demanded_of_the_present_version() {
        assert!(!Precondition::default().is_some() && Precondition::default().holds(None));
        let (absent, is) = (Precondition::absent(), Precondition::is("\"a\""));
        assert!(absent.is_some() && is.is_some());
        assert_eq!([absent.holds(None), absent.holds(Some("\"a\""))], [true, false]);
        assert_eq!([None, Some("\"a\""), Some("\"b\"")].map(|etag| is.holds(etag)), [false, true, false]);
        let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
        let both = Precondition { matches: tags(&["*"]), none_matches: tags(&["\"a\"", "W/\"b\""]) };
        let etags = [None, Some("\"a\""), Some("\"b\""), Some("\"c\"")];
        assert_eq!(etags.map(|etag| both.holds(etag)), [false, false, false, true]);
        let weak = Precondition { matches: tags(&["W/\"a\""]), none_matches: None };
        assert!(!weak.holds(Some("\"a\"")));
    }
}
