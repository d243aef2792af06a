//! A page as data: its blocks with their language and the reason why one is not run, its headings, its links. Reads files, judges nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

/// A fenced block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Line of its fence, counted from 1.
    pub(crate) line: usize,
    /// The word behind the fence.
    pub(crate) language: String,
    /// What is in it, without the fence's indentation.
    pub(crate) text: String,
    /// From `<!-- not run here: REASON -->` above it.
    pub(crate) not_run: Option<String>,
}

/// A Markdown file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Its path from the root.
    pub(crate) path: String,
    /// Its blocks, in order.
    pub(crate) blocks: Vec<Block>,
    /// What is not in a block, line by line.
    pub(crate) prose: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every page that a reader may come to, contracts' own apart.
pub(crate) fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    for folder in ["docs", "charts", "deploy", "examples"] {
        walk(&root().join(folder), &mut found);
    }
    found.sort();
    found.iter().map(|path| read(path)).collect()
}

/// One page by its path from the root.
pub(crate) fn page(path: &str) -> Page {
    read(&root().join(path))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> Page {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (blocks, prose) = blocks(&text);
    let path = path.strip_prefix(root()).unwrap().display().to_string();
    Page { path, blocks, prose }
}

/// The fenced blocks, and everything else.
fn blocks(text: &str) -> (Vec<Block>, String) {
    let (mut found, mut prose) = (Vec::new(), String::new());
    let mut open: Option<(usize, Block)> = None;
    let mut above = "";
    for (at, line) in text.lines().enumerate() {
        let word = line.trim_start();
        let indent = line.len() - word.len();
        match (&mut open, word.strip_prefix("```")) {
            (None, Some(language)) => {
                let not_run = above
                    .strip_prefix("<!-- not run here: ")
                    .and_then(|rest| rest.strip_suffix(" -->"));
                let block = Block {
                    line: at + 1,
                    language: language.trim().to_owned(),
                    text: String::new(),
                    not_run: not_run.map(str::to_owned),
                };
                open = Some((indent, block));
            }
            (Some(_), Some("")) => found.extend(open.take().map(|(_, block)| block)),
            (Some((outer, block)), _) => {
                block
                    .text
                    .push_str(line.get(*outer.min(&mut line.len().clone())..).unwrap_or(word));
                block.text.push('\n');
            }
            (None, None) => {
                prose.push_str(line);
                prose.push('\n');
                if !word.is_empty() {
                    above = word.trim_end();
                }
            }
        }
    }
    assert!(open.is_none(), "a block without an end:\n{text}");
    (found, prose)
}

impl Page {
    /// Headings as GitHub names their anchors.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
        let headings = self.prose.lines().filter_map(|line| {
            let title = line.trim_start_matches('#');
            (title.len() < line.len() && title.starts_with(' ')).then(|| title.trim())
        });
        headings
            .map(|title| {
                link.replace_all(title, "$1")
                    .to_lowercase()
                    .chars()
                    .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'))
                    .map(|it| if it == ' ' { '-' } else { it })
                    .collect()
            })
            .collect()
    }

    /// Links to other files of the repository: where from here, and the anchor.
    pub(crate) fn links(&self) -> Vec<(String, Option<String>)> {
        let code = Regex::new("`[^`]*`").unwrap();
        let prose = code.replace_all(&self.prose, "``");
        Regex::new(r"\]\(([^()\s]+)\)")
            .unwrap()
            .captures_iter(&prose)
            .map(|found| found[1].to_owned())
            .filter(|to| !to.contains("://") && !to.starts_with("mailto:"))
            .map(|to| match to.split_once('#') {
                Some((file, anchor)) => (file.to_owned(), Some(anchor.to_owned())),
                None => (to, None),
            })
            .collect()
    }

    /// A name for messages.
    pub(crate) fn at(&self, block: &Block) -> String {
        format!("{}:{}", self.path, block.line)
    }
}
