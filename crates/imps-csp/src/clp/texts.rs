//! What replies and events say, in the languages of the server (CLP 4, 6.7). What a failure is called that has no row here
//! is in the texts of Results, by its code.

use imps_service::language::Language;

macro_rules! says {
    ($($name:ident $eng:literal $fin:literal $deu:literal $fra:literal $spa:literal;)*) => {
        /// A text. Where something is put into it, `{}` stands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Say { $(#[doc = $eng] $name),* }

        /// English, Finnish, German, French, Spanish.
        const TEXTS: &[[&str; 5]] = &[$([$eng, $fin, $deu, $fra, $spa]),*];
    };
}

says! {
    // name       English, Finnish, German, French, Spanish
    Greeting      "{} CLP 1, LOGIN user password or HELP" "{} CLP 1, LOGIN tunnus salasana tai HELP" "{} CLP 1, LOGIN Name Kennwort oder HELP" "{} CLP 1, LOGIN nom motdepasse ou HELP" "{} CLP 1, LOGIN usuario clave o HELP";
    Ok            "ok" "ok" "ok" "ok" "ok";
    Hello         "hello {}, {} new" "hei {}, {} uutta" "hallo {}, {} neu" "bonjour {}, {} nouveaux" "hola {}, {} nuevos";
    Bye           "bye" "hei hei" "bis bald" "au revoir" "adiós";
    Pong          "pong" "pong" "pong" "pong" "pong";
    LogInFirst    "log in first" "kirjaudu ensin" "erst anmelden" "connectez-vous d'abord" "inicie sesión antes";
    LogOutFirst   "log out first" "kirjaudu ensin ulos" "erst abmelden" "déconnectez-vous d'abord" "cierre antes la sesión";
    NotWithoutTls "no password without TLS here" "salasana vain TLS-yhteydellä" "Kennwort nur über TLS" "mot de passe seulement par TLS" "contraseña solo por TLS";
    What          "what? try HELP" "mitä? kokeile HELP" "wie bitte? HELP hilft" "comment ? essayez HELP" "¿cómo? pruebe HELP";
    Usage         "usage: {}" "käyttö: {}" "so: {}" "usage : {}" "uso: {}";
    NoText        "a text is missing" "teksti puuttuu" "der Text fehlt" "il manque le texte" "falta el texto";
    TooLong       "too long: up to {} characters, {} names, {} words" "liian pitkä: enintään {} merkkiä, {} nimeä, {} sanaa" "zu lang: höchstens {} Zeichen, {} Namen, {} Wörter" "trop long : {} caractères, {} noms, {} mots au plus" "demasiado largo: hasta {} caracteres, {} nombres, {} palabras";
    WrongPassword "wrong password" "väärä salasana" "falsches Kennwort" "mot de passe incorrect" "contraseña incorrecta";
    WrongTooOften "wrong password {} times, bye" "väärä salasana {} kertaa, hei hei" "{}-mal falsches Kennwort, bis bald" "mot de passe incorrect {} fois, au revoir" "contraseña incorrecta {} veces, adiós";
    NoLogin       "nobody logged in, bye" "kukaan ei kirjautunut, hei hei" "niemand hat sich angemeldet, bis bald" "personne ne s'est connecté, au revoir" "nadie inició sesión, adiós";
    NotFromHere   "too many wrong passwords from your address, bye" "liian monta väärää salasanaa osoitteestasi, hei hei" "zu viele falsche Kennwörter von deiner Adresse, bis bald" "trop de mots de passe incorrects de votre adresse, au revoir" "demasiadas contraseñas incorrectas desde su dirección, adiós";
    NotOffered    "not offered here" "ei tarjolla täällä" "wird hier nicht angeboten" "non proposé ici" "no se ofrece aquí";
    TextOnly      "text only" "vain tekstiä" "nur Text" "texte seulement" "solo texto";
    NoItem        "no item #{}" "ei kohtaa #{}" "nichts unter #{}" "pas d'élément #{}" "no hay nada con #{}";
    Nothing       "nothing fits" "mikään ei sovi" "nichts passt" "rien ne convient" "no hay nada que sirva";
    NotAgreed     "not agreed with {}" "ei sovittu: {}" "nicht vereinbart mit {}" "non convenu avec {}" "no acordado con {}";
    CannotReach   "cannot reach {}" "{} ei ole tavoitettavissa" "{} ist nicht erreichbar" "{} injoignable" "no se llega a {}";
    NoAnswer      "{} is not available, try again later" "{} ei vastaa, yritä myöhemmin" "{} ist nicht verfügbar, später noch einmal" "{} n'est pas disponible, réessayez plus tard" "{} no está disponible, pruebe más tarde";
    NoUser        "no user {}" "ei käyttäjää {}" "kein Benutzer {}" "pas d'utilisateur {}" "no hay usuario {}";
    Blocks        "{} blocks you" "{} on estänyt sinut" "{} sperrt dich" "{} vous bloque" "{} le bloquea";
    Offline       "{} is offline" "{} ei ole paikalla" "{} ist nicht da" "{} n'est pas là" "{} no está";
    SessionOver   "session over, log in" "istunto päättyi, kirjaudu" "Sitzung beendet, neu anmelden" "session finie, connectez-vous" "sesión terminada, entre de nuevo";
    NoList        "no list {}" "ei listaa {}" "keine Liste {}" "pas de liste {}" "no hay lista {}";
    NoGroup       "no group {}" "ei ryhmää {}" "keine Gruppe {}" "pas de groupe {}" "no hay grupo {}";
    JoinFirst     "join {} first" "liity ensin: {}" "erst {} beitreten" "rejoignez d'abord {}" "únase antes a {}";
    Banned        "you are banned" "sinut on estetty" "du bist ausgesperrt" "vous êtes exclu" "está expulsado";
    NickTaken     "nick taken" "nimi on varattu" "der Name ist vergeben" "pseudo déjà pris" "apodo ya en uso";
    NotAllowed    "not allowed" "ei sallittu" "nicht erlaubt" "interdit" "no permitido";
    Which         "which: {}" "mikä: {}" "welches: {}" "lequel : {}" "cuál: {}";
    Sent          "sent #{}" "lähetetty #{}" "gesendet #{}" "envoyé #{}" "enviado #{}";
    Not           "{}, not: {}" "{}, ei: {}" "{}, nicht: {}" "{}, pas : {}" "{}, no: {}";
    Waiting       "{} waiting" "{} odottaa" "{} warten" "{} en attente" "{} en espera";
    New           "{} new" "{} uutta" "{} neu" "{} nouveaux" "{} nuevos";
    Found         "#{} found {}" "#{} löytyi {}" "#{} gefunden {}" "#{} trouvés {}" "#{} encontrados {}";
    NoMore        "no more" "ei enempää" "nichts mehr" "rien de plus" "no hay más";
    Joined        "joined {}" "liityit: {}" "beigetreten: {}" "rejoint : {}" "se unió a {}";
    Left          "left {}" "poistuit: {}" "verlassen: {}" "quitté : {}" "salió de {}";
    Invited       "invited #{}" "kutsuttu #{}" "eingeladen #{}" "invité #{}" "invitado #{}";
    Shared        "shared #{}" "jaettu #{}" "gezeigt #{}" "partagé #{}" "compartido #{}";
    TalkOn        "talking to {}, .TALK ends" "puhut: {}, .TALK lopettaa" "du sprichst mit {}, .TALK endet" "vous parlez à {}, .TALK termine" "habla con {}, .TALK termina";
    TalkOff       "talk off" "puhe päättyi" "Gespräch beendet" "conversation finie" "charla terminada";
    Asks          "{} asks for your presence: {}. ALLOW {} / DENY {}" "{} pyytää läsnäolotietojasi: {}. ALLOW {} / DENY {}" "{} bittet um deine Präsenz: {}. ALLOW {} / DENY {}" "{} demande votre présence : {}. ALLOW {} / DENY {}" "{} pide su presencia: {}. ALLOW {} / DENY {}";
    InvitesTo     "{} invites you to {}. Y {} / N {}" "{} kutsuu sinut: {}. Y {} / N {}" "{} lädt dich ein: {}. Y {} / N {}" "{} vous invite : {}. Y {} / N {}" "{} le invita a {}. Y {} / N {}";
    Shares        "{} shares {}" "{} jakaa: {}" "{} zeigt dir {}" "{} partage {}" "{} comparte {}";
    Accepted      "{} accepted" "{} hyväksyi" "{} sagt zu" "{} a accepté" "{} aceptó";
    Rejected      "{} rejected" "{} hylkäsi" "{} sagt ab" "{} a refusé" "{} rechazó";
    Cancelled     "cancelled by {}" "{} perui" "von {} zurückgenommen" "annulé par {}" "cancelado por {}";
    Sends         "{} sends {} {}. READ {}" "{} lähettää {} {}. READ {}" "{} schickt {} {}. READ {}" "{} envoie {} {}. READ {}" "{} envía {} {}. READ {}";
    Delivered     "report #{} {}: delivered {}" "raportti #{} {}: perillä {}" "Bericht #{} {}: zugestellt {}" "rapport #{} {} : remis {}" "informe #{} {}: entregado {}";
    Failed        "report #{} {}: failed {}" "raportti #{} {}: epäonnistui {}" "Bericht #{} {}: gescheitert {}" "rapport #{} {} : échec {}" "informe #{} {}: falló {}";
    PutOut        "you are out of {}: {}" "et ole enää ryhmässä {}: {}" "du bist nicht mehr in {}: {}" "vous n'êtes plus dans {} : {}" "ya no está en {}: {}";
}

fn column(language: Language) -> usize {
    match language {
        Language::English => 0,
        Language::Finnish => 1,
        Language::German => 2,
        Language::French => 3,
        Language::Spanish => 4,
    }
}

impl Say {
    /// What it says, with these words in its places.
    pub(super) fn with(self, language: Language, words: &[&str]) -> String {
        let text = TEXTS.get(self as usize).and_then(|row| row.get(column(language))).copied().unwrap_or_default();
        let mut said = String::with_capacity(text.len() + words.iter().map(|word| word.len()).sum::<usize>());
        let mut words = words.iter();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{}") {
            said.push_str(before);
            said.push_str(words.next().copied().unwrap_or_default());
            rest = after;
        }
        said + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_proto::clp::STATUS_TEXT_MAX;

    #[test]
    fn every_language_has_the_same_places() {
        for row in TEXTS {
            let places = |text: &str| text.matches("{}").count();
            let first = row.first().copied().unwrap_or_default();
            assert!(row.iter().all(|text| places(text) == places(first) && !text.is_empty()), "{first}");
            assert!(row.iter().all(|text| text.chars().count() <= STATUS_TEXT_MAX), "{first}");
        }
        assert_eq!(
            Say::Asks.with(Language::English, &["zoe", "all", "13", "13"]),
            "zoe asks for your presence: all. ALLOW 13 / DENY 13"
        );
        assert_eq!(Say::Ok.with(Language::German, &[]), "ok");
    }
}
