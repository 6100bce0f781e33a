//! Boxes, written.

/// Bytes that boxes are appended to.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// Appends a box of what `content` writes.
    ///
    /// # Panics
    /// When that has 4 GiB or more: heads of segments and init segments do not.
    pub(crate) fn in_box(&mut self, name: [u8; 4], content: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.u32(0).bytes(&name);
        content(self);
        let bytes = u32::try_from(self.0.len() - start).expect("a head has less than 4 GiB");
        self.0[start..start + 4].copy_from_slice(&bytes.to_be_bytes());
    }

    /// Appends a box with a version and flags.
    pub(crate) fn in_full_box(&mut self, name: [u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Self)) {
        self.in_box(name, |writer| {
            writer.u32(u32::from(version) << 24 | flags);
            content(writer);
        });
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn zeros(&mut self, count: usize) -> &mut Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    pub(crate) fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn i32(&mut self, number: i32) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }
}
