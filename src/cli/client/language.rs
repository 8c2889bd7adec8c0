//! Which language a file is in, told by its extension from what the server offers.

use std::collections::BTreeSet;

use super::answers::Language;
use super::failure::Failure;
use super::files::Source;
use super::terminal::plain;

/// The language that was named, or the one that the files' extensions tell. With several files the
/// main one decides; where none is named, the only language that any of them belongs to.
pub fn choose(
    offered: &[Language],
    named: Option<&str>,
    sources: &[Source],
    main_path: Option<&str>,
) -> Result<String, Failure> {
    if let Some(name) = named {
        return by_name(offered, name);
    }
    let deciding: Vec<&str> = match main_path {
        Some(main) => vec![main],
        None => sources.iter().map(|source| source.path.as_str()).collect(),
    };
    let mut found = BTreeSet::new();
    for path in &deciding {
        let candidates = by_extension(offered, path);
        if candidates.len() > 1 {
            return Err(Failure::Usage(format!(
                "`{path}` may be {}: say which with -l",
                candidates.into_iter().collect::<Vec<_>>().join(" or ")
            )));
        }
        found.extend(candidates);
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.to_owned()),
        (Some(first), Some(second)) => Err(Failure::Usage(format!(
            "the files are in several languages, {first} and {second} among them: say which is run with -l or --main"
        ))),
        (None, _) => Err(Failure::Usage(format!(
            "no language of this server goes with {}: say which with -l, one of {}",
            deciding.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", "),
            names(offered)
        ))),
    }
}

/// The name of the language that people call `name`; one that nobody offers any more was called what it is.
pub fn resolve(offered: &[Language], name: &str) -> String {
    called(offered, name).map_or_else(|| name.to_owned(), |language| language.name.clone())
}

fn by_name(offered: &[Language], name: &str) -> Result<String, Failure> {
    called(offered, name)
        .map(|language| language.name.clone())
        .ok_or_else(|| Failure::Usage(format!("this server does not offer `{name}`, only {}", names(offered))))
}

fn called<'a>(offered: &'a [Language], name: &str) -> Option<&'a Language> {
    offered.iter().find(|language| {
        std::iter::once(&language.name).chain(&language.aliases).any(|own| own.eq_ignore_ascii_case(name))
    })
}

fn by_extension<'a>(offered: &'a [Language], path: &str) -> BTreeSet<&'a str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    offered
        .iter()
        // `.py` itself is a name without an extension.
        .filter(|language| {
            language.file_extensions.iter().any(|ext| name.len() > ext.len() && name.ends_with(ext.as_str()))
        })
        .map(|language| language.name.as_str())
        .collect()
}

fn names(offered: &[Language]) -> String {
    if offered.is_empty() {
        return "none at all at the moment".to_owned();
    }
    let names: BTreeSet<String> = offered.iter().map(|language| plain(&language.name)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(name: &str, aliases: &[&str], extensions: &[&str]) -> Language {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
        Language {
            name: name.into(),
            display_name: name.into(),
            version: "1".into(),
            aliases: owned(aliases),
            file_extensions: owned(extensions),
            is_compiled: false,
        }
    }

    fn chosen(named: Option<&str>, paths: &[&str], main: Option<&str>) -> Result<String, String> {
        let offered = [
            language("python3", &["python"], &[".py"]),
            language("c++", &["cpp"], &[".cpp", ".h"]),
            language("c", &[], &[".c", ".h"]),
        ];
        let sources: Vec<Source> =
            paths.iter().map(|path| Source { path: (*path).into(), bytes: Vec::new() }).collect();
        choose(&offered, named, &sources, main).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_extension_tells_the_language() {
        assert_eq!(chosen(None, &["a/main.py"], None).as_deref(), Ok("python3"));
        assert_eq!(chosen(None, &["main.py", "data.txt"], None).as_deref(), Ok("python3"));
        assert_eq!(chosen(None, &["main.py", "x.cpp"], Some("x.cpp")).as_deref(), Ok("c++"));
        assert_eq!(chosen(Some("cpp"), &["main.py"], None).as_deref(), Ok("c++"));
    }

    #[test]
    fn what_cannot_be_told_is_asked_for_by_name() {
        assert_eq!(
            chosen(None, &["data.xyz"], None).unwrap_err(),
            "no language of this server goes with `data.xyz`: say which with -l, one of c, c++, python3"
        );
        assert_eq!(chosen(None, &["x.h"], None).unwrap_err(), "`x.h` may be c or c++: say which with -l");
        assert!(chosen(None, &["a.py", "b.cpp"], None).unwrap_err().contains("several languages"));
        assert!(chosen(None, &[".py"], None).is_err());
        assert_eq!(
            chosen(Some("cobol"), &["a.py"], None).unwrap_err(),
            "this server does not offer `cobol`, only c, c++, python3"
        );
    }
}
