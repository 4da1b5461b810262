//! Rewrites a pattern of the API server's engine (RE2 syntax, as of Go) for ours. Both are linear
//! and share nearly everything; what differs is that theirs reads `\d`, `\w`, `\s` and `\b` as
//! ASCII, and gives `[`, `&&`, `--` and `~~` no meaning inside a class.

/// What may stand in `[[:alpha:]]`; our engine reads another word as a class of its letters.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// The pattern for our engine, or what theirs would object to.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut translation = Translation { out: String::new(), rest: pattern };
    let mut repeated = false;
    while let Some(next) = translation.take() {
        let repeats = match next {
            '*' | '+' | '?' => {
                translation.out.push(next);
                true
            }
            '{' => translation.repetition()?,
            '\\' => translation.escape(false).map(|()| false)?,
            '[' => translation.class().map(|()| false)?,
            '(' => translation.group().map(|()| false)?,
            other => {
                translation.out.push(other);
                false
            }
        };
        if repeats && repeated {
            return Err("not a regular expression: it repeats a repetition".to_owned());
        }
        if repeats && translation.rest.starts_with('?') {
            translation.take();
            translation.out.push('?');
        }
        repeated = repeats;
    }
    Ok(translation.out)
}

struct Translation<'p> {
    out: String,
    rest: &'p str,
}

impl<'p> Translation<'p> {
    fn take(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(next) = self.take() else {
            return Err("not a regular expression: it ends in a backslash".to_owned());
        };
        let ascii = match next {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            's' => "\\t\\n\\f\\r ",
            'D' => "^0-9",
            'W' => "^0-9A-Za-z_",
            'S' => "^\\t\\n\\f\\r ",
            'b' if !in_class => {
                self.out.push_str("(?-u:\\b)");
                return Ok(());
            }
            'Q' if !in_class => {
                self.quoted();
                return Ok(());
            }
            'u' | 'U' | 'R' | 'X' | 'Z' | 'G' | 'K' | 'h' | 'H' | 'N' | 'V' | 'C' => {
                return Err(format!("not a regular expression: `\\{next}` is not an escape"));
            }
            // Punctuation stands for itself; our engine gives a meaning to some of it.
            '<' | '>' => {
                self.out.push(next);
                return Ok(());
            }
            '0'..='7' => return self.octal(next),
            other => {
                self.out.push('\\');
                self.out.push(other);
                // The braces of `\p{…}` and `\x{…}` count nothing.
                if let ('p' | 'P' | 'x', Some((name, after))) = (other, self.braced()) {
                    self.out.push_str(name);
                    self.rest = after;
                } else if matches!(other, 'p' | 'P') {
                    let name = self.take();
                    self.out.extend(name);
                }
                return Ok(());
            }
        };
        self.out.push('[');
        self.out.push_str(ascii);
        self.out.push(']');
        Ok(())
    }

    /// A character by three octal digits at most. A digit alone would be a group found before,
    /// which neither engine has.
    fn octal(&mut self, first: char) -> Result<(), String> {
        let more = self.rest.chars().take(2).take_while(|c| c.is_digit(8)).count();
        let (digits, after) = self.rest.split_at_checked(more).unwrap_or_default();
        if first != '0' && digits.is_empty() {
            return Err("not a regular expression: backreferences are not supported".to_owned());
        }
        let value = u32::from_str_radix(&format!("{first}{digits}"), 8).unwrap_or_default();
        self.out.push_str(&format!("\\x{{{value:x}}}"));
        self.rest = after;
        Ok(())
    }

    /// What is in braces next, with them, and what follows.
    fn braced(&self) -> Option<(&'p str, &'p str)> {
        let end = self.rest.find('}').filter(|_| self.rest.starts_with('{'))?;
        self.rest.split_at_checked(end.saturating_add(1))
    }

    /// `\Q…\E`: everything between stands for itself.
    fn quoted(&mut self) {
        let (inside, after) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
        self.out.push_str(&regex::escape(inside));
        self.rest = after;
    }

    /// What follows `[`, up to its `]`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.peek() == Some('^') {
            self.take();
            self.out.push('^');
        }
        let mut first = true;
        while let Some(next) = self.take() {
            let is_set =
                next == '\\' && self.rest.starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P']);
            match next {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.rest.starts_with(':') => {
                    let Some((name, after)) = self.rest.split_once(":]") else {
                        return Err("not a regular expression: unclosed class".to_owned());
                    };
                    let name = name.trim_start_matches(':');
                    if !POSIX.contains(&name.trim_start_matches('^')) {
                        return Err("not a regular expression: there is no such class".to_owned());
                    }
                    self.out.push_str(&format!("[:{name}:]"));
                    self.rest = after;
                }
                other => {
                    self.in_class(other)?;
                    let ranges = !is_set && self.rest.starts_with('-');
                    if ranges && !self.rest.starts_with("-]") {
                        self.take();
                        self.out.push('-');
                        self.take().map_or(Ok(()), |end| self.in_class(end))?;
                    }
                }
            }
            first = false;
        }
        Err("not a regular expression: unclosed class".to_owned())
    }

    /// One character of a class, or what a backslash makes.
    fn in_class(&mut self, character: char) -> Result<(), String> {
        match character {
            '\\' => return self.escape(true),
            '[' | ']' | '&' | '~' | '-' | '^' => self.out.push('\\'),
            _ => {}
        }
        self.out.push(character);
        Ok(())
    }

    /// What follows `{`, and whether it counts: a brace that does not stands for itself.
    fn repetition(&mut self) -> Result<bool, String> {
        let (counts, after) = self.rest.split_once('}').unwrap_or_default();
        let (least, most) = counts.split_once(',').unwrap_or((counts, ""));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if least.is_empty() || !digits(least) || !digits(most) {
            self.out.push_str("\\{");
            return Ok(false);
        }
        let too_many = |text: &str| text.parse().is_ok_and(|count: u64| count > 1000);
        if too_many(least) || too_many(most) {
            return Err("not a regular expression: it repeats more than 1000 times".to_owned());
        }
        self.out.push_str(&format!("{{{counts}}}"));
        self.rest = after;
        Ok(true)
    }

    /// What follows `(`: the flags that only our engine knows are refused.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        let Some(flags) = self.rest.strip_prefix('?') else { return Ok(()) };
        let end = flags.find(|c: char| !c.is_ascii_alphabetic() && c != '-').unwrap_or(0);
        let flags = flags.get(..end).unwrap_or_default();
        if flags.starts_with('P') {
            return Ok(());
        }
        match flags.chars().find(|flag| !"imsU-".contains(*flag)) {
            Some(flag) => Err(format!("not a regular expression: there is no flag `{flag}`")),
            None => Ok(()),
        }
    }
}
