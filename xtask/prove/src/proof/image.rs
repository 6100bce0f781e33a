//! The file of a program: the machine code that the linker wrote, and where it is.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _, SectionKind};

/// The parts of an ELF file that code reads or is, at the addresses that the file gives them.
pub(super) struct Image {
    code: Vec<Part>,
    read_only: Vec<Part>,
    /// Names of functions, by address.
    names: Vec<(u64, String)>,
    /// Where the file says that it begins; of this process' own, how much higher everything is than the file says.
    bias: u64,
}

struct Part {
    start: u64,
    bytes: Vec<u8>,
}

impl Part {
    fn from(&self, address: u64) -> Option<&[u8]> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(at..).filter(|bytes| !bytes.is_empty())
    }
}

impl Image {
    /// Reads the file of this process.
    pub(super) fn own() -> Result<Self> {
        let path = env::current_exe().context("which file is this program?")?;
        let mut image = Self::read(&path)?;
        image.bias = first_mapping(&path.display().to_string())?.wrapping_sub(image.bias);
        Ok(image)
    }

    /// Reads the file of another program.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        let file = object::File::parse(&*bytes).with_context(|| path.display().to_string())?;
        let mut image = Self { code: Vec::new(), read_only: Vec::new(), names: Vec::new(), bias: 0 };
        for section in file.sections() {
            let part = || -> Result<Part> {
                Ok(Part { start: section.address(), bytes: section.uncompressed_data()?.into_owned() })
            };
            // What the loader relocates is not as the file has it, so only plain data counts; the rest is out of reach.
            if section.kind() == SectionKind::Text {
                image.code.push(part()?);
            } else if section.kind() == SectionKind::ReadOnlyData && section.name() == Ok(".rodata") {
                image.read_only.push(part()?);
            }
        }
        let functions = file.symbols().filter(|symbol| symbol.kind() == object::SymbolKind::Text);
        image.names = functions.map(|symbol| (symbol.address(), symbol.name().unwrap_or("").to_owned())).collect();
        image.names.sort_unstable();
        let lowest = file.segments().map(|segment| segment.address()).min().context("a file without segments")?;
        image.bias = lowest & !0xfff;
        Ok(image)
    }

    /// Takes code that lies at an address.
    #[cfg(test)]
    pub(super) fn of(start: u64, bytes: &[u8]) -> Self {
        let code = vec![Part { start, bytes: bytes.to_vec() }];
        Self { code, read_only: Vec::new(), names: Vec::new(), bias: 0 }
    }

    /// Translates an address of this process into one of the file.
    pub(super) fn file_address(&self, address: usize) -> Result<u64> {
        let address = (address as u64).wrapping_sub(self.bias);
        ensure!(self.code_at(address).is_some(), "no code at {address:#x} of the file");
        Ok(address)
    }

    /// Where a function is that another file has at an address: by its name, which is unlike all others.
    pub(super) fn find(&self, other: &Self, address: u64) -> Result<u64> {
        let same: Vec<&str> =
            other.names.iter().filter(|&&(start, _)| start == address).map(|(_, name)| name.as_str()).collect();
        let mut found = self.names.iter().filter(|(_, name)| same.contains(&name.as_str()));
        let (address, _) = found.next().with_context(|| format!("there is no function {}", same.join(" or ")))?;
        ensure!(found.all(|(again, _)| again == address), "there are several functions {}", same.join(" or "));
        Ok(*address)
    }

    /// The code from an address on.
    pub(super) fn code_at(&self, address: u64) -> Option<&[u8]> {
        self.code.iter().find_map(|part| part.from(address))
    }

    /// Constant data from an address on.
    pub(super) fn constants_at(&self, address: u64) -> Option<&[u8]> {
        self.read_only.iter().find_map(|part| part.from(address))
    }

    /// The name of the function that an address is in.
    pub(super) fn name_at(&self, address: u64) -> &str {
        let behind = self.names.partition_point(|&(start, _)| start <= address);
        self.names[..behind].last().map_or("?", |(_, name)| name)
    }
}

/// Where the file's beginning is mapped in this process.
fn first_mapping(path: &str) -> Result<u64> {
    let maps = fs::read_to_string("/proc/self/maps").context("/proc/self/maps")?;
    // "START-END PERMISSIONS OFFSET DEVICE INODE PATH"
    let line = maps.lines().find(|line| line.ends_with(path) && line.split_whitespace().nth(2) == Some("00000000"));
    let start = line.and_then(|line| line.split('-').next()).context("this program's file is not mapped")?;
    u64::from_str_radix(start, 16).with_context(|| format!("an address {start}"))
}
