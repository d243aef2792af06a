//! Enough of a shell to say which programs a block runs and with which words: quotes, comments, continuations, heredocs, substitutions, loops.
//! Runs nothing and expands nothing: a variable stays as it is written.

/// One program with its words.
pub(crate) type Words = Vec<String>;

/// What a block says.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Programs with their words, substitutions before what they are part of.
    pub(crate) commands: Vec<Words>,
    /// Bodies of heredocs.
    pub(crate) documents: Vec<String>,
}

/// Words of the language itself, which begin or join commands.
const KEYWORDS: [&str; 10] = [
    "do", "done", "then", "else", "fi", "if", "until", "while", "!", "{",
];

/// Reads a block.
pub(crate) fn script(text: &str) -> Script {
    let mut script = Script::default();
    let mut lines = text.lines();
    let mut plain = String::new();
    while let Some(line) = lines.next() {
        plain.push_str(line);
        plain.push('\n');
        let Some((_, mark)) = line.split_once("<<") else {
            continue;
        };
        let mark = mark.trim_matches(['\'', '"', '-', ' ']);
        let body: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != mark).collect();
        script.documents.push(body.join("\n"));
    }
    commands(&plain.replace("\\\n", " "), &mut script.commands);
    script
}

/// Splits a text into commands; a substitution is a text of its own.
fn commands(text: &str, found: &mut Vec<Words>) {
    let mut reader = Reader {
        rest: text.chars().collect(),
        at: 0,
    };
    let (mut words, mut word, mut open) = (Words::new(), String::new(), false);
    let mut done = Vec::new();
    while let Some(it) = reader.next() {
        match it {
            ' ' | '\t' => end_word(&mut words, &mut word, &mut open),
            '#' if !open => {
                while reader.peek().is_some_and(|it| it != '\n') {
                    reader.next();
                }
            }
            '\n' | ';' | '|' | '&' => {
                end_word(&mut words, &mut word, &mut open);
                done.push(std::mem::take(&mut words));
            }
            '\'' => {
                open = true;
                word.push_str(&reader.until('\''));
            }
            '"' => {
                open = true;
                let quoted = reader.until('"');
                substitutions(&quoted, found);
                word.push_str(&quoted);
            }
            '$' if reader.peek() == Some('(') => {
                open = true;
                reader.next();
                commands(&reader.until(')'), found);
                word.push_str("$SUBSTITUTED");
            }
            other => {
                open = true;
                word.push(other);
            }
        }
    }
    end_word(&mut words, &mut word, &mut open);
    done.push(words);
    found.extend(done.into_iter().map(meant).filter(|words| !words.is_empty()));
}

/// Substitutions inside of double quotes.
fn substitutions(quoted: &str, found: &mut Vec<Words>) {
    if let Some((_, rest)) = quoted.split_once("$(") {
        let mut reader = Reader {
            rest: rest.chars().collect(),
            at: 0,
        };
        commands(&reader.until(')'), found);
    }
}

fn end_word(words: &mut Words, word: &mut String, open: &mut bool) {
    if *open {
        words.push(std::mem::take(word));
    }
    *open = false;
}

/// Without keywords, loop heads, assignments and redirections.
fn meant(words: Words) -> Words {
    let mut meant = Words::new();
    let mut skip = false;
    for word in words {
        let redirects = word.trim_start_matches(|it: char| it.is_ascii_digit());
        if skip {
            skip = false;
        } else if redirects.starts_with('>') || redirects.starts_with("<<") {
            skip = redirects.trim_start_matches(['>', '<']).is_empty();
        } else if let Some(file) = redirects.strip_prefix('<') {
            // What is read is worth a look; alone, the next word is it.
            meant.extend((!file.is_empty()).then(|| file.to_owned()));
        } else if meant.is_empty() && KEYWORDS.contains(&word.as_str()) {
            continue;
        } else if meant.is_empty() && word == "for" {
            return Words::new();
        } else if meant.is_empty() && is_assignment(&word) {
            continue;
        } else {
            meant.push(word);
        }
    }
    meant
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_')
    })
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let it = self.peek()?;
        self.at += 1;
        Some(it)
    }

    /// Up to its end, past what is nested in it.
    fn until(&mut self, end: char) -> String {
        let (mut text, mut depth, mut quoted) = (String::new(), 0, None::<char>);
        while let Some(it) = self.next() {
            match (it, quoted) {
                ('\\', None) if end == '"' => {
                    text.extend(self.next());
                    continue;
                }
                (it, None) if it == end && depth == 0 => return text,
                ('(', None) => depth += 1,
                (')', None) => depth -= 1,
                ('\'' | '"', None) if end == ')' => quoted = Some(it),
                (it, Some(mark)) if it == mark => quoted = None,
                _ => {}
            }
            text.push(it);
        }
        panic!("no {end} at the end of {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Words> {
        script(text).commands
    }

    #[test]
    fn a_block_is_told_apart_into_programs_and_their_words() {
        assert_eq!(
            of(
                "A=1 helm install x \\\n  --set 'a={b,c}'  # why\nkubectl get pods | grep \"a b\" > file && make demo"
            ),
            [
                vec!["helm", "install", "x", "--set", "a={b,c}"],
                vec!["kubectl", "get", "pods"],
                vec!["grep", "a b"],
                vec!["make", "demo"],
            ]
        );
    }

    #[test]
    fn what_is_substituted_is_a_command_and_loops_are_seen_through() {
        assert_eq!(
            of(
                "export A=\"x#$(leaseport gateway --print-pin)\"\nfor f in a b; do envsubst < deploy/$f | kubectl apply; done"
            ),
            [
                vec!["leaseport", "gateway", "--print-pin"],
                vec!["export", "A=x#$(leaseport gateway --print-pin)"],
                vec!["envsubst", "deploy/$f"],
                vec!["kubectl", "apply"],
            ]
        );
    }

    #[test]
    fn a_heredoc_is_a_document_and_no_command() {
        let read = script("kubectl apply --filename - <<END\nkind: A\nEND\nmake fmt\n");
        assert_eq!(read.documents, ["kind: A"]);
        assert_eq!(read.commands.len(), 2);
    }
}
