//! JSON (RFC 8259) with the library's limits: no key twice in an object, no nesting beyond 64. And
//! what Python's `json` reads besides.

pub const DEEPEST: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Boolean(bool),
    /// As it is written.
    Number(String),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoJson,
    /// It may also be no JSON behind this.
    KeyTwice,
    /// The same.
    TooDeep,
}

pub fn parse(text: &str) -> Result<Tree, Refusal> {
    parse_as(text, false)
}

/// Whether Python reads a text, of however many levels.
pub fn python_reads(text: &str) -> bool {
    parse_as(text, true).is_ok()
}

fn parse_as(text: &str, is_python: bool) -> Result<Tree, Refusal> {
    let mut reader = Reader {
        text: text.chars().collect(),
        at: 0,
        is_python,
    };
    let tree = reader.element(0)?;
    if reader.at < reader.text.len() {
        return Err(Refusal::NoJson);
    }
    Ok(tree)
}

impl Tree {
    /// How many objects and arrays stand in each other.
    pub fn depth(&self) -> usize {
        let deepest = match self {
            Tree::Array(elements) => elements.iter().map(Tree::depth).max(),
            Tree::Object(members) => members.iter().map(|(_, value)| value.depth()).max(),
            _ => return 0,
        };
        1 + deepest.unwrap_or(0)
    }

    pub fn get(&self, name: &str) -> Option<&Tree> {
        match self {
            Tree::Object(members) => members
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The number, as it is written, if it has neither fraction nor exponent.
    pub fn integer(&self) -> Option<&str> {
        match self {
            Tree::Number(digits) if !digits.contains(['.', 'e', 'E']) => Some(digits),
            _ => None,
        }
    }
}

struct Reader {
    text: Vec<char>,
    at: usize,
    is_python: bool,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Result<char, Refusal> {
        let next = self.peek().ok_or(Refusal::NoJson)?;
        self.at += 1;
        Ok(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn demand(&mut self, wanted: &str) -> Result<(), Refusal> {
        for character in wanted.chars() {
            if self.next()? != character {
                return Err(Refusal::NoJson);
            }
        }
        Ok(())
    }

    fn blanks(&mut self) {
        while [' ', '\t', '\n', '\r'].map(Some).contains(&self.peek()) {
            self.at += 1;
        }
    }

    /// A value with the blanks around it.
    fn element(&mut self, depth: usize) -> Result<Tree, Refusal> {
        self.blanks();
        let value = self.value(depth)?;
        self.blanks();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Tree, Refusal> {
        match self.peek().ok_or(Refusal::NoJson)? {
            'n' => self.demand("null").map(|()| Tree::Null),
            't' => self.demand("true").map(|()| Tree::Boolean(true)),
            'f' => self.demand("false").map(|()| Tree::Boolean(false)),
            '"' => self.string().map(Tree::Text),
            '[' | '{' if depth == DEEPEST && !self.is_python => Err(Refusal::TooDeep),
            'N' if self.is_python => self.demand("NaN").map(|()| Tree::Null),
            'I' if self.is_python => self.demand("Infinity").map(|()| Tree::Null),
            '[' => self.array(depth + 1),
            '{' => self.object(depth + 1),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Tree, Refusal> {
        self.demand("[")?;
        let mut elements = Vec::new();
        self.blanks();
        if self.eat(']') {
            return Ok(Tree::Array(elements));
        }
        loop {
            elements.push(self.element(depth)?);
            if self.eat(']') {
                return Ok(Tree::Array(elements));
            }
            self.demand(",")?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Tree, Refusal> {
        self.demand("{")?;
        let mut members: Vec<(String, Tree)> = Vec::new();
        self.blanks();
        if self.eat('}') {
            return Ok(Tree::Object(members));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            if !self.is_python && members.iter().any(|(earlier, _)| *earlier == key) {
                return Err(Refusal::KeyTwice);
            }
            self.blanks();
            self.demand(":")?;
            let value = self.element(depth)?;
            members.push((key, value));
            if self.eat('}') {
                return Ok(Tree::Object(members));
            }
            self.demand(",")?;
        }
    }

    fn string(&mut self) -> Result<String, Refusal> {
        self.demand("\"")?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            match self.next()? {
                '"' => break,
                '\\' => units.push(self.escape()?),
                character if u32::from(character) < 0x20 => return Err(Refusal::NoJson),
                character => units.extend(character.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        // Only escapes can have brought half a pair of surrogates.
        if self.is_python {
            return Ok(String::from_utf16_lossy(&units));
        }
        String::from_utf16(&units).map_err(|_| Refusal::NoJson)
    }

    fn escape(&mut self) -> Result<u16, Refusal> {
        Ok(match self.next()? {
            'b' => 0x08,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            character @ ('"' | '\\' | '/') => character as u16,
            'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.next()?.to_digit(16).ok_or(Refusal::NoJson)?;
                    code = code * 16 + digit as u16;
                }
                code
            }
            _ => return Err(Refusal::NoJson),
        })
    }

    fn number(&mut self) -> Result<Tree, Refusal> {
        let start = self.at;
        if self.eat('-') && self.is_python && self.peek() == Some('I') {
            return self.demand("Infinity").map(|()| Tree::Null);
        }
        if !self.eat('0') {
            self.digits()?;
        }
        if self.eat('.') {
            self.digits()?;
        }
        if self.eat('e') || self.eat('E') {
            let _ = self.eat('+') || self.eat('-');
            self.digits()?;
        }
        Ok(Tree::Number(self.text[start..self.at].iter().collect()))
    }

    fn digits(&mut self) -> Result<(), Refusal> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(Refusal::NoJson);
        }
        Ok(())
    }
}
