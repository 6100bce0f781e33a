//! What texts from a file are in playlists and manifests.

/// Languages as `QuickTime` numbers them, from 1. Zero is English, and also what is written where nothing is said.
const NUMBERED: [&str; 33] = [
    "fra", "deu", "ita", "nld", "swe", "spa", "dan", "por", "nor", "heb", "jpn", "ara", "fin", "ell", "isl", "mlt",
    "tur", "hrv", "zho", "urd", "hin", "tha", "kor", "lit", "pol", "hun", "est", "lav", "sme", "fao", "fas", "rus",
    "zho",
];

/// A language of three letters as `mdhd` packs it (ISO/IEC 14496-12, 8.4.2.3), or as `QuickTime` numbers it (its File Format
/// Specification, Language Code Values); `None` where it is unknown or no language.
pub(crate) fn language(packed: u16) -> Option<String> {
    if let Some(numbered) = usize::from(packed).checked_sub(1).and_then(|place| NUMBERED.get(place)) {
        return Some((*numbered).to_owned());
    }
    let letters = [packed >> 10, packed >> 5, packed].map(|bits| bits & 31);
    let is_language = letters.iter().all(|letter| (1..=26).contains(letter));
    let text: String = letters.iter().map(|letter| char::from(0x60 + letter.to_le_bytes()[0])).collect();
    (is_language && text != "und").then_some(text)
}

/// A text within quotation marks of a playlist: RFC 8216 allows neither marks nor line breaks in them.
pub(crate) fn quoted(text: &str) -> String {
    let kept = text.chars().map(|found| if found == '"' || found.is_control() { '_' } else { found });
    format!("\"{}\"", kept.collect::<String>())
}

/// A text within an attribute or element of XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for found in text.chars() {
        match found {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            found if found.is_control() => escaped.push('_'),
            found => escaped.push(found),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        // `eng` is 5, 14, 7; `und` 21, 14, 4.
        assert_eq!(language(5 << 10 | 14 << 5 | 7).as_deref(), Some("eng"));
        assert_eq!(language(21 << 10 | 14 << 5 | 4), None);
        // QuickTime's own numbers, of which 0 is English, and 0x7fff none.
        assert_eq!(language(0), None);
        // As QuickTime has it.
        assert_eq!([1, 11, 32].map(|number| language(number).unwrap()), ["fra", "jpn", "rus"]);
        assert_eq!(language(34), None);
        assert_eq!(language(0x7fff), None);
    }

    #[test]
    fn nothing_breaks_out_of_its_place() {
        assert_eq!(quoted("a\"\nb"), "\"a__b\"");
        assert_eq!(escaped("a<b>&\"c\n"), "a&lt;b&gt;&amp;&quot;c_");
    }
}
