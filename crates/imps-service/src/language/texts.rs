//! What users are told, in the languages of [`Language`](super::Language): the texts of Results (CSP 3), by their code, and
//! the sentences that are worth more than their code. English is what the rest of the server writes.

use imps_types::Status;

use super::Language;

macro_rules! texts {
    ($($code:literal $fin:literal $deu:literal $fra:literal $spa:literal;)*) => {
        /// By code: Finnish, German, French, Spanish.
        const CODES: &[(u16, [&str; 4])] = &[$(($code, [$fin, $deu, $fra, $spa])),*];
    };
}

macro_rules! sentences {
    ($($english:literal => $fin:literal $deu:literal $fra:literal $spa:literal;)*) => {
        /// By the English sentence, likewise.
        const SENTENCES: &[(&str, [&str; 4])] = &[$(($english, [$fin, $deu, $fra, $spa])),*];
    };
}

texts! {
    // code  Finnish, German, French, Spanish
    201 "Onnistui osittain" "Teilweise ausgeführt" "Réussi en partie" "Realizado en parte";
    400 "Virheellinen pyyntö" "Fehlerhafte Anfrage" "Requête incorrecte" "Solicitud incorrecta";
    401 "Tunnistautuminen puuttuu" "Nicht angemeldet" "Authentification requise" "Se requiere autenticación";
    402 "Virheellinen tieto" "Ungültige Angabe" "Paramètre incorrect" "Parámetro incorrecto";
    403 "Ei sallittu" "Nicht erlaubt" "Interdit" "No permitido";
    404 "Ei löydy" "Nicht gefunden" "Introuvable" "No encontrado";
    405 "Palvelu ei ole käytettävissä" "Dienst nicht verfügbar" "Service non disponible" "Servicio no disponible";
    408 "Pyyntö kesti liian kauan" "Zeitüberschreitung" "Délai dépassé" "Tiempo agotado";
    409 "Väärä salasana" "Falsches Kennwort" "Mot de passe incorrect" "Contraseña incorrecta";
    410 "Ei voitu toimittaa" "Nicht zustellbar" "Livraison impossible" "No se pudo entregar";
    411 "Sovellus ei ole enää käytössä" "Das Programm ist nicht mehr aktiv" "Le client n'est plus actif" "El cliente ya no está activo";
    415 "Sisältötyyppiä ei tueta" "Inhaltstyp nicht unterstützt" "Type de contenu non pris en charge" "Tipo de contenido no admitido";
    420 "Tuntematon tapahtuma" "Unbekannter Vorgang" "Transaction inconnue" "Transacción desconocida";
    422 "Käyttäjä ja sovellus eivät vastaa toisiaan" "Benutzer und Programm passen nicht zusammen" "L'utilisateur et le client ne correspondent pas" "El usuario y el cliente no coinciden";
    423 "Tuntematon kutsu" "Unbekannte Einladung" "Invitation inconnue" "Invitación desconocida";
    424 "Tuntematon haku" "Unbekannte Suche" "Recherche inconnue" "Búsqueda desconocida";
    425 "Haussa ei ole sellaista kohtaa" "Stelle der Suche ungültig" "Position de recherche incorrecte" "Posición de búsqueda incorrecta";
    426 "Tuntematon viesti" "Unbekannte Nachricht" "Message inconnu" "Mensaje desconocido";
    427 "Virheellinen käyttäjätunnus" "Ungültige Benutzerkennung" "Identifiant d'utilisateur incorrect" "Identificador de usuario incorrecto";
    429 "Ryhmän tunnus puuttuu" "Gruppenkennung fehlt" "Identifiant de groupe absent" "Falta el identificador del grupo";
    431 "Ryhmän jäsenyys ei ole sallittu" "Mitgliedschaft nicht erlaubt" "Adhésion au groupe non autorisée" "Pertenencia al grupo no autorizada";
    432 "Vastaus on liian suuri" "Antwort zu groß" "Réponse trop longue" "Respuesta demasiado grande";
    450 "Virheellinen sovellustunnus" "Ungültige Anwendungskennung" "Identifiant d'application incorrect" "Identificador de aplicación incorrecto";
    500 "Palvelimen virhe" "Fehler im Server" "Erreur du serveur" "Error del servidor";
    501 "Ei toteutettu" "Nicht vorhanden" "Non réalisé" "No implementado";
    502 "Istuntoa ei voi jatkaa" "Sitzung kann nicht fortgesetzt werden" "Session non récupérable" "No se puede recuperar la sesión";
    503 "Palvelin ei ole juuri nyt käytettävissä" "Server zurzeit nicht erreichbar" "Serveur momentanément indisponible" "Servidor no disponible por el momento";
    504 "Aikakatkaisu" "Zeit abgelaufen" "Temps écoulé" "Tiempo de espera agotado";
    505 "Versiota ei tueta" "Version nicht unterstützt" "Version non prise en charge" "Versión no admitida";
    506 "Palvelusta ei ole sovittu" "Dienst nicht vereinbart" "Service non convenu" "Servicio no acordado";
    507 "Vastaanottajan viestijono on täynnä" "Das Postfach des Empfängers ist voll" "La file du destinataire est pleine" "La cola del destinatario está llena";
    516 "Verkkotunnus ei ole tämän palvelun" "Domäne wird hier nicht bedient" "Domaine non desservi" "Dominio no admitido";
    521 "Läsnäolopyyntöön ei ole vastattu" "Präsenzanfrage noch unbeantwortet" "Demande de présence sans réponse" "Petición de presencia sin respuesta";
    522 "Ryhmäpyyntöön ei ole vastattu" "Gruppenanfrage noch unbeantwortet" "Demande de groupe sans réponse" "Petición de grupo sin respuesta";
    531 "Tuntematon käyttäjä" "Unbekannter Benutzer" "Utilisateur inconnu" "Usuario desconocido";
    532 "Vastaanottaja on estänyt lähettäjän" "Der Empfänger hat den Absender gesperrt" "Le destinataire a bloqué l'expéditeur" "El destinatario ha bloqueado al remitente";
    533 "Vastaanottaja ei ole kirjautunut" "Empfänger nicht angemeldet" "Destinataire non connecté" "El destinatario no está conectado";
    534 "Vastaanottajalla ei ole oikeutta" "Empfänger nicht berechtigt" "Destinataire non autorisé" "Destinatario no autorizado";
    535 "Haku kesti liian kauan" "Suche abgebrochen: Zeit abgelaufen" "Recherche trop longue" "La búsqueda tardó demasiado";
    536 "Liikaa osumia" "Zu viele Treffer" "Trop de résultats" "Demasiados resultados";
    537 "Hakuehto on liian väljä" "Suchbegriff zu allgemein" "Critère de recherche trop large" "Criterio de búsqueda demasiado amplio";
    538 "Viesti on hylätty" "Nachricht abgelehnt" "Message refusé" "Mensaje rechazado";
    540 "Otsakkeen koodausta ei tueta" "Kopfkodierung nicht unterstützt" "Codage d'en-tête non pris en charge" "Codificación de cabecera no admitida";
    541 "Viesti on lähetetty edelleen" "Nachricht weitergeleitet" "Message transféré" "Mensaje reenviado";
    542 "Viesti on vanhentunut" "Nachricht verfallen" "Message expiré" "Mensaje caducado";
    543 "Yhteistä tunnistustapaa ei ole" "Kein gemeinsames Anmeldeverfahren" "Aucune méthode d'authentification commune" "Ningún método de autenticación en común";
    560 "Virheellinen hakuehto" "Ungültiges Suchmerkmal" "Élément de recherche incorrect" "Elemento de búsqueda incorrecto";
    562 "Virheellinen haku" "Ungültige Suche" "Recherche incorrecte" "Búsqueda incorrecta";
    600 "Istunto on vanhentunut" "Sitzung abgelaufen" "Session expirée" "Sesión caducada";
    601 "Palvelin katkaisi istunnon" "Vom Server abgemeldet" "Déconnecté par le serveur" "Desconectado por el servidor";
    603 "Olet jo kirjautunut" "Bereits angemeldet" "Déjà connecté" "Ya está conectado";
    604 "Et ole kirjautunut" "Nicht angemeldet" "Non connecté" "No está conectado";
    605 "Arvoa ei hyväksytty" "Wert nicht übernommen" "Valeur non acceptée" "Valor no aceptado";
    700 "Yhteystietoluetteloa ei ole" "Kontaktliste nicht vorhanden" "Liste de contacts inexistante" "La lista de contactos no existe";
    701 "Yhteystietoluettelo on jo olemassa" "Kontaktliste gibt es schon" "La liste de contacts existe déjà" "La lista de contactos ya existe";
    702 "Virheellinen käyttäjän ominaisuus" "Ungültige Benutzereigenschaft" "Propriété d'utilisateur incorrecte" "Propiedad de usuario no válida";
    750 "Virheellinen läsnäolotieto" "Ungültiges Präsenzmerkmal" "Attribut de présence incorrect" "Atributo de presencia no válido";
    751 "Virheellinen läsnäolotiedon arvo" "Ungültiger Präsenzwert" "Valeur de présence incorrecte" "Valor de presencia no válido";
    752 "Virheellinen luettelon ominaisuus" "Ungültige Eigenschaft der Kontaktliste" "Propriété de liste incorrecte" "Propiedad de la lista no válida";
    753 "Luetteloita ei voi olla enempää" "Keine weiteren Kontaktlisten möglich" "Nombre maximal de listes atteint" "Número máximo de listas alcanzado";
    754 "Yhteystietoja ei voi olla enempää" "Keine weiteren Kontakte möglich" "Nombre maximal de contacts atteint" "Número máximo de contactos alcanzado";
    755 "Ominaisuusluetteloita ei voi olla enempää" "Keine weiteren Attributlisten möglich" "Nombre maximal de listes d'attributs atteint" "Número máximo de listas de atributos alcanzado";
    760 "Automaattista tilausta ei tueta" "Automatisches Abonnement nicht möglich" "Abonnement automatique impossible" "Suscripción automática no admitida";
    800 "Ryhmää ei ole" "Gruppe nicht vorhanden" "Groupe inexistant" "El grupo no existe";
    801 "Ryhmä on jo olemassa" "Gruppe gibt es schon" "Le groupe existe déjà" "El grupo ya existe";
    802 "Ryhmä on avoin" "Gruppe ist offen" "Groupe ouvert" "El grupo es abierto";
    803 "Ryhmä on rajoitettu" "Gruppe ist beschränkt" "Groupe restreint" "El grupo es restringido";
    804 "Ryhmä on julkinen" "Gruppe ist öffentlich" "Groupe public" "El grupo es público";
    805 "Ryhmä on yksityinen" "Gruppe ist privat" "Groupe privé" "El grupo es privado";
    806 "Virheellinen ryhmän ominaisuus" "Ungültige Eigenschaft der Gruppe" "Propriété de groupe incorrecte" "Propiedad de grupo no válida";
    807 "Olet jo ryhmässä" "Bereits in der Gruppe" "Déjà dans le groupe" "Ya está en el grupo";
    808 "Et ole ryhmässä" "Nicht in der Gruppe" "Pas dans le groupe" "No está en el grupo";
    809 "Sinua ei päästetä ryhmään" "Von der Gruppe abgewiesen" "Refusé par le groupe" "Rechazado por el grupo";
    810 "Et ole ryhmän jäsen" "Kein Mitglied der Gruppe" "Pas membre du groupe" "No es miembro del grupo";
    811 "Nimimerkki on jo käytössä" "Name schon vergeben" "Pseudonyme déjà utilisé" "El apodo ya está en uso";
    812 "Ryhmässä ei voi lähettää yksityisviestejä" "Keine Privatnachrichten in dieser Gruppe" "Messages privés impossibles dans ce groupe" "Mensajes privados desactivados en el grupo";
    813 "Käyttäjä ei ota vastaan yksityisviestejä" "Der Benutzer nimmt keine Privatnachrichten an" "L'utilisateur refuse les messages privés" "El usuario no acepta mensajes privados";
    814 "Ryhmiä ei voi olla enempää" "Keine weiteren Gruppen möglich" "Nombre maximal de groupes atteint" "Número máximo de grupos alcanzado";
    815 "Palvelimella ei voi olla enempää ryhmiä" "Keine weiteren Gruppen auf diesem Server" "Nombre maximal de groupes du serveur atteint" "Número máximo de grupos del servidor alcanzado";
    816 "Oikeutesi ryhmässä eivät riitä" "Rechte in der Gruppe reichen nicht" "Droits insuffisants dans le groupe" "Privilegios insuficientes en el grupo";
    817 "Ryhmä on täynnä" "Gruppe ist voll" "Groupe complet" "El grupo está lleno";
    821 "Historiaa ei säilytetä" "Verlauf wird nicht aufbewahrt" "Historique non conservé" "El historial no se conserva";
    822 "Haettavalla ryhmällä on oltava nimi tai aihe" "Eine auffindbare Gruppe braucht Namen oder Thema" "Un groupe visible doit avoir un nom ou un sujet" "Un grupo localizable necesita nombre o tema";
    823 "Ryhmään ei mahdu enempää jäseniä" "Keine weiteren Mitglieder möglich" "Nombre maximal de membres atteint" "Número máximo de miembros alcanzado";
    824 "Oma pyyntö" "Eigene Anfrage" "Votre propre demande" "Petición propia";
    900 "Useita virheitä" "Mehrere Fehler" "Plusieurs erreurs" "Varios errores";
    901 "Virheellisiä osoitteita" "Fehlerhafte Adressen" "Adresses incorrectes" "Direcciones incorrectas";
    902 "Saldo ei riitä" "Guthaben reicht nicht" "Crédit insuffisant" "Saldo insuficiente";
    903 "Vaatii laajemman palvelun" "Erfordert eine höhere Dienstklasse" "Exige une classe de service supérieure" "Requiere una clase de servicio superior";
    910 "Virheelliset omat ominaisuudet" "Ungültige eigene Eigenschaften" "Propriétés personnelles incorrectes" "Propiedades propias no válidas";
    920 "Puhelinnumerossa on virhe" "Fehler der Rufnummer" "Erreur de numéro de téléphone" "Error del número de teléfono";
}

sentences! {
    "answer the system messages first, and log in again" =>
        "Vastaa ensin palvelun viesteihin ja kirjaudu uudelleen"
        "Beantworten Sie zuerst die Nachrichten des Dienstes und melden Sie sich neu an"
        "Répondez d'abord aux messages du service, puis reconnectez-vous"
        "Responda primero a los mensajes del servicio y vuelva a conectarse";
    "this account is barred" =>
        "Tämä tili on suljettu" "Dieses Konto ist gesperrt" "Ce compte est bloqué" "Esta cuenta está bloqueada";
    "this account was removed" =>
        "Tämä tili on poistettu" "Dieses Konto wurde gelöscht" "Ce compte a été supprimé" "Esta cuenta ha sido eliminada";
    "this client has logged in again" =>
        "Sovellus on kirjautunut uudelleen" "Dieses Programm hat sich neu angemeldet"
        "Ce client s'est reconnecté" "Este cliente se ha vuelto a conectar";
    "closed by the operator" =>
        "Palvelun ylläpitäjä katkaisi istunnon" "Vom Betreiber beendet" "Fermé par l'opérateur" "Cerrado por el operador";
    "this user has too many sessions, log out another client" =>
        "Istuntoja on liikaa, kirjaudu ulos toisesta laitteesta"
        "Zu viele Sitzungen, melden Sie ein anderes Gerät ab"
        "Trop de sessions, déconnectez un autre appareil"
        "Demasiadas sesiones, cierre la de otro dispositivo";
}

/// Where a language stands in the columns; English has none.
fn column(language: Language) -> Option<usize> {
    match language {
        Language::English => None,
        Language::Finnish => Some(0),
        Language::German => Some(1),
        Language::French => Some(2),
        Language::Spanish => Some(3),
    }
}

/// What a Result with this code and this English text says in a language. `None`: as it is.
pub fn translation(language: Language, status: Status, english: &str) -> Option<&'static str> {
    let column = column(language)?;
    let sentence = SENTENCES.iter().find(|(known, _)| *known == english).map(|(_, texts)| texts);
    let code = || CODES.binary_search_by_key(&status.code(), |(code, _)| *code).ok();
    let texts = sentence.or_else(|| CODES.get(code()?).map(|(_, texts)| texts))?;
    texts.get(column).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_those_of_the_specification() {
        assert!(CODES.is_sorted_by_key(|(code, _)| *code));
        for (code, texts) in CODES {
            assert!(!Status::new(*code).text().is_empty(), "{code}");
            assert!(texts.iter().all(|text| !text.is_empty() && text.len() <= 100), "{code}");
        }
        for code in 400..1000 {
            let status = Status::new(code);
            let has_text = translation(Language::Finnish, status, "").is_some();
            assert_eq!(has_text, !status.text().is_empty(), "{code} {}", status.text());
        }
    }

    #[test]
    fn sentences_go_before_codes() {
        let barred = |language| translation(language, Status::FORBIDDEN, "this account is barred");
        assert_eq!(barred(Language::German), Some("Dieses Konto ist gesperrt"));
        assert_eq!(barred(Language::English), None);
        let other = translation(Language::Spanish, Status::FORBIDDEN, "something else");
        assert_eq!(other, Some("No permitido"));
        assert_eq!(translation(Language::French, Status::SUCCESSFUL, ""), None);
    }

    #[test]
    fn sentences_are_those_that_are_said() {
        let said = [crate::Error::AnswerFirst(Vec::new()), crate::Error::Barred, crate::Error::TooManySessions];
        for error in said {
            assert!(SENTENCES.iter().any(|(known, _)| *known == error.to_string()), "{error}");
        }
    }
}
