//! Where tensors are computed: chosen at run time, by name.

use crate::error::{Error, Result};

/// A place to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor, all threads of the pool.
    Cpu,
}

impl Device {
    /// The device called `name` (`"cpu"`).
    ///
    /// # Errors
    /// [`Error::Device`] for any other name.
    pub fn parse(name: &str) -> Result<Device> {
        match name {
            "cpu" => Ok(Device::Cpu),
            _ => Err(Error::Device { name: name.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regimen_base::Hint;

    #[test]
    fn only_the_cpu_is_known() {
        assert_eq!(Device::parse("cpu").unwrap(), Device::Cpu);
        let error = Device::parse("cuda:0").unwrap_err();
        assert!(error.to_string().contains("cuda:0"), "{error}");
        assert!(error.hint().unwrap().contains("cpu"));
    }
}
