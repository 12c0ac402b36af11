//! `hamlet user`.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::password::AccountPassword;
use super::{Common, Done, Format, Refusal, UserName, desk, output};
use crate::command::{Command, Hidden, Outcome, Person, Phone, UserView};
use crate::serve;

#[derive(Subcommand, Debug)]
#[command(after_help = "\
A user has two passwords. The account password opens a login in two steps, in which the phone sends it in clear. The phone password is what most phones need: they log in with a digest, which only a password that the server can read can check.

Examples:
  hamlet user add alice
  pwgen 16 1 | hamlet user add bob --password-stdin --json
  hamlet user phone-password alice --reset           the phone was lost")]
pub(super) enum UserCommand {
    /// Add a user, and print the phone password, which is shown only once
    #[command(after_help = "\
Without --password and --password-stdin the account password is asked for at a terminal; elsewhere the user has none, and logs in with the phone password.

Examples:
  hamlet user add alice
  hamlet user add alice --domain example.org --data /var/lib/hamlet
  echo \"$PASSWORD\" | hamlet user add alice --password-stdin --json")]
    Add(Add),
    /// List the users
    List {
        #[command(flatten)]
        format: Format,
    },
    /// Show a user
    Show {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        format: Format,
    },
    /// Set the account password
    Passwd {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        password: AccountPassword,
        #[command(flatten)]
        format: Format,
    },
    /// Set, make or take away the phone password
    PhonePassword(PhonePassword),
    /// Say who a user is, for those who search
    #[command(after_help = "\
What is not named stays as it is; an empty text takes it away.

Examples:
  hamlet user set alice --first-name Alice --last-name Smith --email alice@example.org --mobile +358401234567
  hamlet user set alice --mobile ''
  hamlet user set alice --searchable no          nobody finds alice by searching any more")]
    Set(Set),
    /// Refuse the user's logins from now on, and end the user's sessions
    Bar {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        format: Format,
    },
    /// Take functions from a user: his service profile
    #[command(after_help = "\
Functions are those of the service tree of IMPS. A feature or a group of functions stands for all that is in it.

Examples:
  hamlet user services alice --without GroupFeat,EXCON
  hamlet user services alice --without \"\"              everything again")]
    Services {
        #[command(flatten)]
        user: UserName,
        /// What the user does not have, with commas between; nothing: everything is there
        #[arg(long, value_name = "FUNCTIONS")]
        without: String,
        #[command(flatten)]
        format: Format,
    },
    /// Let a user in again who was barred
    Unbar {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        format: Format,
    },
    /// Remove a user with everything that belongs to it: sessions, lists, messages that wait
    Remove {
        #[command(flatten)]
        user: UserName,
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Args, Debug)]
pub(super) struct Add {
    #[command(flatten)]
    user: UserName,
    #[command(flatten)]
    password: AccountPassword,
    /// This phone password, instead of one that is made
    #[arg(long, value_name = "PW")]
    phone_password: Option<String>,
    #[command(flatten)]
    format: Format,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["set", "reset", "revoke"]), override_usage =
    "hamlet user phone-password NAME <--set PW | --reset | --revoke> [OPTIONS]")]
pub(super) struct PhonePassword {
    #[command(flatten)]
    user: UserName,
    /// This one from now on
    #[arg(long = "set", value_name = "PW")]
    set: Option<String>,
    /// Make a new one and print it
    #[arg(long)]
    reset: bool,
    /// Take it away: the user cannot log in by digest any more
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("person").required(true).multiple(true)
    .args(["first_name", "last_name", "email", "mobile", "searchable"]), override_usage =
    "hamlet user set NAME [--first-name TEXT] [--last-name TEXT] [--email ADDRESS] [--mobile NUMBER] [--searchable yes|no]")]
pub(super) struct Set {
    #[command(flatten)]
    user: UserName,
    /// First name
    #[arg(long, value_name = "TEXT")]
    first_name: Option<String>,
    /// Last name
    #[arg(long, value_name = "TEXT")]
    last_name: Option<String>,
    /// E-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Mobile number
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    mobile: Option<String>,
    /// Whether searches find the user at all
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    searchable: Option<bool>,
    #[command(flatten)]
    format: Format,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("yes or no".to_owned()),
    }
}

impl UserCommand {
    pub(super) fn run(self, common: &Common) -> Done {
        match self {
            Self::Add(add) => add.run(common),
            Self::List { format } => list(common, format),
            Self::Show { user, format } => show(common, &user, format),
            Self::Passwd { user, password, format } => {
                let Some(password) = password.read(&user.name)? else {
                    return Err(Refusal::Usage("which password? use --password-stdin, or a terminal".to_owned()));
                };
                let command = Command::UserPasswd { who: user.who(common), password };
                change(common, command, "has a new account password", format)
            }
            Self::PhonePassword(what) => {
                let (phone, words) = match (what.set, what.revoke) {
                    (Some(password), _) => (Phone::Set(Hidden(password)), "has a new phone password"),
                    (None, true) => (Phone::Revoke, "has no phone password any more"),
                    (None, false) => (Phone::Generate, "has a new phone password"),
                };
                change(common, Command::UserPhonePassword { who: what.user.who(common), phone }, words, what.format)
            }
            Self::Set(Set { user, first_name, last_name, email, mobile, searchable, format }) => {
                let person = Person { first_name, last_name, email, mobile_number: mobile, searchable };
                change(common, Command::UserSet { who: user.who(common), person }, "is set", format)
            }
            Self::Bar { user, format } => {
                change(common, Command::UserBar { who: user.who(common), barred: true }, "is barred", format)
            }
            Self::Services { user, without, format } => {
                let words = if without.trim().is_empty() { "has every function" } else { "lacks these functions now" };
                change(common, Command::UserServices { who: user.who(common), without }, words, format)
            }
            Self::Unbar { user, format } => {
                change(common, Command::UserBar { who: user.who(common), barred: false }, "is let in again", format)
            }
            Self::Remove { user, format } => {
                change(common, Command::UserRemove { who: user.who(common) }, "is removed", format)
            }
        }
    }
}

impl Add {
    fn run(self, common: &Common) -> Done {
        let password = self.password.read(&self.user.name)?;
        let phone = self.phone_password.map_or(Phone::Generate, |password| Phone::Set(Hidden(password)));
        change(common, Command::UserAdd { who: self.user.who(common), password, phone }, "is added", self.format)
    }
}

fn change(common: &Common, command: Command, words: &str, format: Format) -> Done {
    let config = common.load(&[])?;
    let server = serve::clients_connect_to(&config.settings.data);
    let outcome = desk::ask(config, command)?;
    let Outcome::Account { user, phone_password } = outcome else { return Err(desk::unexpected().into()) };
    let phone_password = phone_password.map(|password| password.0);
    if format.json {
        output::json(&match phone_password {
            Some(password) => json!({ "user": user, "phone_password": password }),
            None => json!({ "user": user }),
        });
        return Ok(());
    }
    output::say(&format!("{user} {words}"));
    if let Some(password) = phone_password {
        output::say(&format!("phone password: {password}   (shown only now; it goes into the phone's settings)"));
        if let Some(server) = server {
            let only =
                if server.ip().is_loopback() { "   (this machine only; see `hamlet serve --listen`)" } else { "" };
            output::say(&format!("user on the phone: {user}   server: http://{server}/{only}"));
        }
    }
    Ok(())
}

fn list(common: &Common, format: Format) -> Done {
    let mut all: Vec<UserView> = Vec::new();
    let first = Command::UserList { after: None };
    desk::Desk::open(common.load(&[])?, &first)?.ask_all(first, |outcome| {
        let Outcome::Users { users, next } = outcome else { return None };
        all.extend(users);
        next.map(|after| Command::UserList { after: Some(after) })
    })?;
    if format.json {
        output::json(&all);
        return Ok(());
    }
    if all.is_empty() {
        output::note("there are no users yet; `hamlet user add NAME` adds one");
    }
    let rows: Vec<_> = all
        .into_iter()
        .map(|user| {
            let state = if user.barred { "barred".to_owned() } else { user.sessions.to_string() };
            [user.user, output::yes(user.password), output::yes(user.phone_password), state, user.created]
        })
        .collect();
    output::table(["USER", "PASSWORD", "PHONE PASSWORD", "SESSIONS", "CREATED"], &rows);
    Ok(())
}

fn show(common: &Common, user: &UserName, format: Format) -> Done {
    let outcome = desk::ask(common.load(&[])?, Command::UserShow { who: user.who(common) })?;
    let Outcome::Users { users, .. } = outcome else { return Err(desk::unexpected().into()) };
    let [user] = users.as_slice() else { return Err(desk::unexpected().into()) };
    if format.json {
        output::json(user);
        return Ok(());
    }
    let is_set = |set| if set { "set" } else { "none" }.to_owned();
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for (name, value) in [
        ("user", user.user.clone()),
        ("account password", is_set(user.password)),
        ("phone password", is_set(user.phone_password)),
        ("logins", if user.barred { "refused" } else { "allowed" }.to_owned()),
        ("sessions", user.sessions.to_string()),
        ("messages waiting", user.messages.unwrap_or_default().to_string()),
        ("created", user.created.clone()),
        ("services", if user.without.is_empty() { "all".to_owned() } else { format!("without {}", user.without) }),
        ("first name", said(&user.first_name)),
        ("last name", said(&user.last_name)),
        ("e-mail", said(&user.email)),
        ("mobile number", said(&user.mobile_number)),
        ("found by searches", output::yes(user.searchable)),
    ] {
        output::say(&format!("{name:<18}{value}"));
    }
    for (property, value) in user.profile.iter().flatten() {
        output::say(&format!("{property:<18}{value}"));
    }
    Ok(())
}
