//! The system call filter of a box, made from the table in [`policy`].

mod policy;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use crate::fault::{During, Fault, Step};
use crate::sys;
pub use policy::{POLICY, Rule};

/// What a refused system call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `EPERM`.
    Denied,
    /// `ENOSYS`: libraries take it for an older kernel and do without.
    NotImplemented,
    /// `EAFNOSUPPORT`.
    NoSuchFamily,
}

impl Answer {
    const ALL: [Self; 3] = [Self::Denied, Self::NotImplemented, Self::NoSuchFamily];

    const fn errno(self) -> Errno {
        match self {
            Self::Denied => Errno::EPERM,
            Self::NotImplemented => Errno::ENOSYS,
            Self::NoSuchFamily => Errno::EAFNOSUPPORT,
        }
    }
}

/// When a rule applies.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// Whatever the arguments.
    Always,
    /// If all tests of one of these lists hold.
    Any(&'static [&'static [Test]]),
}

/// A test of one argument's lower 32 bits, where all flags and names that matter here are.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    argument: u8,
    comparison: Comparison,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Is(u32),
    IsNot(u32),
    Masked(u32, u32),
}

impl Test {
    const fn is(argument: u8, value: u32) -> Self {
        Self { argument, comparison: Comparison::Is(value) }
    }

    const fn is_not(argument: u8, value: u32) -> Self {
        Self { argument, comparison: Comparison::IsNot(value) }
    }

    const fn masked(argument: u8, mask: u32, value: u32) -> Self {
        Self { argument, comparison: Comparison::Masked(mask, value) }
    }

    const fn has(argument: u8, flag: u32) -> Self {
        Self::masked(argument, flag, flag)
    }

    fn condition(self) -> Result<SeccompCondition, seccompiler::BackendError> {
        let (comparison, value) = match self.comparison {
            Comparison::Is(value) => (SeccompCmpOp::Eq, value),
            Comparison::IsNot(value) => (SeccompCmpOp::Ne, value),
            Comparison::Masked(mask, value) => (SeccompCmpOp::MaskedEq(mask.into()), value),
        };
        SeccompCondition::new(self.argument, SeccompCmpArgLen::Dword, comparison, value.into())
    }

    fn describe(self) -> String {
        let argument = self.argument;
        match self.comparison {
            Comparison::Is(value) => format!("arg{argument} == {value:#x}"),
            Comparison::IsNot(value) => format!("arg{argument} != {value:#x}"),
            Comparison::Masked(mask, value) => format!("arg{argument} & {mask:#x} == {value:#x}"),
        }
    }
}

/// A processor architecture that boxes run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    /// That of this executable; `None` for one without a policy.
    pub(crate) const fn current() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    const fn target(self) -> TargetArch {
        match self {
            Self::X86_64 => TargetArch::x86_64,
            Self::Aarch64 => TargetArch::aarch64,
        }
    }

    const fn number(self, rule: &Rule) -> Option<i64> {
        match self {
            Self::X86_64 => rule.x86_64,
            Self::Aarch64 => rule.aarch64,
        }
    }
}

/// The compiled filters: one for each answer, because a filter has one only, and one against x32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filters(Vec<BpfProgram>);

/// Compiles the policy. Each filter kills the process that makes a system call of another architecture.
pub(crate) fn compile(architecture: Architecture) -> Result<Filters, seccompiler::BackendError> {
    let mut filters = Vec::new();
    for answer in Answer::ALL {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for rule in POLICY.iter().filter(|rule| rule.answer == answer) {
            let Some(number) = architecture.number(rule) else { continue };
            let alternatives = rules.entry(number).or_default();
            match rule.when {
                When::Always => {}
                When::Any(lists) => {
                    for tests in lists {
                        let conditions = tests.iter().map(|test| test.condition()).collect::<Result<_, _>>()?;
                        alternatives.push(SeccompRule::new(conditions)?);
                    }
                }
            }
        }
        let errno = (answer.errno() as i32).cast_unsigned();
        let filter =
            SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), architecture.target())?;
        filters.push(BpfProgram::try_from(filter)?);
    }
    if architecture == Architecture::X86_64 {
        filters.push(refuse_x32());
    }
    Ok(Filters(filters))
}

/// The x32 ABI has the architecture of x86-64, but other numbers: each is refused.
fn refuse_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    let refuse = u32::from(SeccompAction::Errno((Errno::ENOSYS as i32).cast_unsigned()));
    vec![
        sock_filter { code: LOAD_NUMBER, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_SET, jt: 0, jf: 1, k: X32_BIT },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: refuse },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: u32::from(SeccompAction::Allow) },
    ]
}

/// Puts this process and all it starts under the filters, for good. What is returned keeps the kernel's copy of the filters: else
/// it is taken apart when the last process under them ends, on that processor, before whoever waits for that end gets to run.
/// `None` where the kernel keeps none, as below a supervisor who listens already.
pub(crate) fn install(filters: &Filters) -> Result<Option<OwnedFd>, Fault> {
    let mut kept = None;
    for (index, filter) in filters.0.iter().enumerate() {
        // A filter keeps those before it.
        if index + 1 == filters.0.len()
            && let Ok(listener) = sys::seccomp_with_listener(filter)
        {
            kept = Some(listener);
        } else {
            seccompiler::apply_filter(filter).map_err(|_| Errno::last()).during(Step::Filter)?;
        }
    }
    Ok(kept)
}

/// The policy as a table for operators to read.
pub fn describe() -> String {
    let mut text = String::from(
        "System calls that programs in a box are refused. Calls of another architecture end the program.\n\n",
    );
    for rule in POLICY {
        let answer = rule.answer.errno();
        let _ = writeln!(text, "{:<20} {answer:?}: {}", rule.name, rule.reason);
        if let When::Any(lists) = rule.when {
            for tests in lists {
                let tests: Vec<_> = tests.iter().map(|test| test.describe()).collect();
                let _ = writeln!(text, "{:<20}   if {}", "", tests.join(" and "));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
