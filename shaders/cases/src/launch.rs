//! What can run a kernel: the seam between the cases and software Vulkan, the card, or our machine code.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{Error, Result};

/// A storage buffer of a launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// `@binding` in group 0.
    pub binding: u32,
    /// Contents before the launch; for a buffer that is only written, what must not survive.
    pub bytes: Vec<u8>,
    /// The kernel declares it `read_write`.
    pub written: bool,
}

/// A kernel and what it works on.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Name in `shaders::VARIANTS`.
    pub kernel: &'static str,
    /// Every buffer that the entry point uses, and no others.
    pub buffers: Vec<Buffer>,
    /// The bytes of `var<immediate>`.
    pub immediates: Vec<u8>,
    /// Workgroups in x, y, z.
    pub groups: [u32; 3],
}

impl Launch {
    /// A launch without buffers.
    #[must_use]
    pub fn new(kernel: &'static str, groups: [u32; 3]) -> Self {
        Self {
            kernel,
            buffers: Vec::new(),
            immediates: Vec::new(),
            groups,
        }
    }

    /// Adds four bytes of immediates.
    #[must_use]
    pub fn immediate(mut self, value: impl Word) -> Self {
        self.immediates.extend(value.word());
        self
    }

    /// Adds a buffer that is only read.
    #[must_use]
    pub fn read<T: Element>(mut self, binding: u32, values: &[T]) -> Self {
        self.buffers.push(Buffer {
            binding,
            bytes: T::to_bytes(values),
            written: false,
        });
        self
    }

    /// Adds a buffer that is written.
    #[must_use]
    pub fn write<T: Element>(mut self, binding: u32, values: &[T]) -> Self {
        self.buffers.push(Buffer {
            binding,
            bytes: T::to_bytes(values),
            written: true,
        });
        self
    }

    /// The kernel's row in the table.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn variant(&self) -> Result<&'static shaders::Variant> {
        let found = shaders::variant(self.kernel);
        found.ok_or_else(|| Error::new(format_args!("no kernel {}", self.kernel)))
    }

    /// The WGSL file that it is in.
    ///
    /// # Errors
    /// If there is none.
    pub fn source(&self) -> Result<&'static str> {
        let file = self.variant()?.file;
        shaders::source(file).ok_or_else(|| Error::new(format_args!("no file {file}")))
    }
}

/// The buffers that a launch wrote, by binding.
#[derive(Clone, Debug, Default)]
pub struct Outputs(pub Vec<(u32, Vec<u8>)>);

impl Outputs {
    /// The elements of a written buffer.
    ///
    /// # Errors
    /// If the launch wrote no such buffer.
    pub fn get<T: Element>(&self, binding: u32) -> Result<Vec<T>> {
        let found = self.0.iter().find(|(at, _)| *at == binding);
        let missing = || Error::new(format_args!("binding {binding} was not written"));
        let (_, bytes) = found.ok_or_else(missing)?;
        Ok(T::from_bytes(bytes))
    }
}

/// What runs kernels.
pub trait Device {
    /// What a failed case is reported with.
    fn name(&self) -> String;

    /// Whether it has what the kernel needs.
    ///
    /// # Errors
    /// If there is no such kernel.
    fn runs(&self, _launch: &Launch) -> Result<bool> {
        Ok(true)
    }

    /// Runs a launch to its end and gives back what it wrote.
    ///
    /// # Errors
    /// If the kernel cannot be built or does something that the device forbids.
    fn run(&mut self, launch: &Launch) -> Result<Outputs>;

    /// Whether it broke down, so that no other launch can run.
    fn is_lost(&self) -> bool {
        false
    }
}

/// Four bytes of immediates.
pub trait Word {
    /// In the order of the card's memory.
    fn word(self) -> [u8; 4];
}

impl Word for u32 {
    fn word(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

impl Word for f32 {
    fn word(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

/// Elements of buffers.
pub trait Element: Sized {
    /// In the order of the card's memory.
    fn to_bytes(values: &[Self]) -> Vec<u8>;
    /// The way back.
    fn from_bytes(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! element {
    ($($type:ty),*) => {
        $(impl Element for $type {
            fn to_bytes(values: &[Self]) -> Vec<u8> {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }

            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                let (chunks, _) = bytes.as_chunks();
                chunks.iter().map(|chunk| Self::from_le_bytes(*chunk)).collect()
            }
        })*
    };
}

element!(u8, i8, u32, f32, half::f16);
