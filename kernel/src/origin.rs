//! Who sent a request.

/// What a receiver knows of the client, for ops that read it. Batches carry it only where one does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Address with port; empty if not known.
    pub peer: String,
    /// Request headers by lower-case name, each with all its values.
    pub metadata: Vec<(String, Vec<String>)>,
}

impl Origin {
    /// All values of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&[String]> {
        self.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, values)| values.as_slice())
    }
}
