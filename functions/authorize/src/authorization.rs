//! The authorization that a consent of a patient creates: an expiring entry, and an item in the patient's list of apps. The code and the
//! tokens are valid only while the entry exists.
//!
//! The consent creates the entry. Its key is the fingerprint of the code. Therefore a patient who stops an app also invalidates a code that
//! the app has not used yet. The last step of the exchange extends the lifetime of the entry to that of the tokens. So an exchange that
//! fails leaves an authorization that ends with the code, and the patient's list does not show an app that has no tokens.

use domain::audit::{Action, Actor, Event, Outcome};
use domain::ids::ClientId;
use domain::ports::expiring::{EntryKind, ExpiringEntry};
use domain::scopes::Scopes;
use jiff::{SignedDuration, Timestamp};
use security::authorizations::{Authorization, Authorizations, CameFrom, NOTED};
use serde_json::{Value, json};
use settings::Client;
use web::patient_session::sign_in_lasts;
use web::respond::OAuthError;
use web::session::LONGEST;

use crate::{Authorize, CODE_LIFETIME, CodeGrant, RefreshGrant, SignIn};

type OAuthResult<T> = Result<T, OAuthError>;

/// Why a refresh token is refused.
pub(crate) const UNKNOWN_REFRESH_TOKEN: &str = "the refresh token is unknown, used or expired";
/// Why a grant is refused whose client has lost all of its scopes.
pub(crate) const NOT_REGISTERED: &str = "the client is no longer registered for the granted scopes";

/// Whether a refresh token can be used. `/auth/token` and `/auth/introspect` follow this one rule.
pub(crate) enum Standing {
    /// It gives these scopes.
    Usable(Scopes),
    /// It was rotated, and its authorization has not ended: two parties may have it.
    Used,
    /// It can never be used again, for this reason.
    Ended(&'static str),
}

/// Returns the scopes that the patient agreed to and that the client is still registered for; `None` if there are none.
pub(crate) fn still_registered(granted: &Scopes, client: &Client) -> Option<Scopes> {
    Some(granted.narrowed_to(&client.scopes)).filter(|scopes| !scopes.is_empty())
}

impl Authorize {
    pub(crate) fn authorizations(&self) -> Authorizations<'_> {
        Authorizations { expiring: &*self.expiring, clock: &*self.clock }
    }

    /// Creates an authorization and adds it to the list, so that the patient can end it before the code is exchanged.
    pub(crate) async fn begin_family(
        &self,
        family: &str,
        client: &ClientId,
        scopes: &Scopes,
        sign_in: &SignIn,
        expires_at: Timestamp,
    ) -> domain::error::Result<()> {
        self.store_consent(EntryKind::Family, family, self.noted_now(sign_in, false), expires_at).await?;
        self.record_use(client, scopes, sign_in, family, expires_at, false).await
    }

    /// Stores an entry of a consent. If the entry of an attempt that failed exists, it is replaced, so that it has the new expiry. An
    /// authorization whose code was exchanged stays as it is.
    pub(crate) async fn store_consent(
        &self,
        kind: EntryKind,
        key: &str,
        value: Value,
        expires_at: Timestamp,
    ) -> domain::error::Result<()> {
        // If another click has stored the entry in the meantime, that entry is equally new and stays.
        match self.expiring.get(kind, key).await? {
            None => self.expiring.put(kind, key, value, expires_at).await?,
            Some(known) if known.value["exchanged"] == true => false,
            Some(known) => {
                let renewed = ExpiringEntry { value, expires_at, ..known };
                self.expiring.replace(kind, key, &renewed).await?
            }
        };
        Ok(())
    }

    /// Creates the authorization of a code from an earlier version, which did not create it with the consent. The code is marked first,
    /// so that another exchange cannot create the authorization again after the patient has ended it.
    pub(crate) async fn begin_unlisted_family(
        &self,
        family: &str,
        code: ExpiringEntry,
        grant: &CodeGrant,
    ) -> OAuthResult<()> {
        let marked = CodeGrant { listed: true, ..grant.clone() };
        let marked = ExpiringEntry { value: json!(marked), ..code };
        if self.expiring.replace(EntryKind::Code, family, &marked).await? {
            let expires_at = self.after(CODE_LIFETIME)?;
            self.begin_family(family, &grant.client, &grant.scopes, &grant.sign_in, expires_at).await?;
        }
        Ok(())
    }

    /// Adds an authorization to the list as exchanged. The list must have the new expiry before the authorization has it.
    pub(crate) async fn record_exchange(
        &self,
        family: &str,
        client: &Client,
        scopes: &Scopes,
        sign_in: &SignIn,
        expires_at: Timestamp,
    ) -> OAuthResult<()> {
        Ok(self.record_use(&client.id, scopes, sign_in, family, expires_at, true).await?)
    }

    /// Returns whether a refresh token of this client can be used.
    pub(crate) async fn standing(&self, grant: &RefreshGrant, client: &Client) -> OAuthResult<Standing> {
        let Some(granted) = still_registered(&grant.scopes, client) else {
            return Ok(Standing::Ended(NOT_REGISTERED));
        };
        if self.expiring.get(EntryKind::Family, &grant.family).await?.is_none() {
            return Ok(Standing::Ended(UNKNOWN_REFRESH_TOKEN));
        }
        if grant.used {
            return Ok(Standing::Used);
        }
        if !granted.wants_refresh() {
            let why = "the client is no longer registered for the scopes of a refresh token";
            return Ok(Standing::Ended(why));
        }
        match self.holds(&grant.sign_in, &grant.scopes, &granted).await? {
            true => Ok(Standing::Usable(granted)),
            false => Ok(Standing::Ended("the patient must sign in and agree again")),
        }
    }

    /// Returns whether the sign-in of an authorization is still valid: the patient could still sign in in the same way. If the scopes that
    /// the patient agreed to, or those of the client's registration, end with the session, the patient must not have signed out either. An
    /// operator who corrects an account, or turns the sandbox off, ends the authorizations that came from it.
    pub(crate) async fn holds(
        &self,
        sign_in: &SignIn,
        granted: &Scopes,
        registered: &Scopes,
    ) -> OAuthResult<bool> {
        let settings = &*self.settings;
        let can_sign_in = match &sign_in.method {
            Some(method) => settings.can_sign_in(method, &sign_in.patient),
            None => {
                settings.sandbox || settings.accounts.iter().any(|account| account.patient == sign_in.patient)
            }
        };
        let ends_with_session = granted.end_with_session() || registered.end_with_session();
        if !can_sign_in || !ends_with_session {
            return Ok(can_sign_in);
        }
        match &sign_in.session {
            Some(key) => Ok(sign_in_lasts(key, &*self.expiring, settings).await?),
            None => Ok(false),
        }
    }

    /// Returns the lifetime of an authorization and its refresh token after each use.
    pub(crate) fn lifetime(&self, scopes: &Scopes) -> SignedDuration {
        let (token, refresh) = (self.settings.token_lifetime, self.settings.refresh_lifetime);
        match (scopes.wants_refresh(), scopes.end_with_session()) {
            // An authorization without a refresh token ends together with its access token.
            (false, _) => token,
            (true, true) => refresh.min(LONGEST).max(token),
            (true, false) => refresh,
        }
    }

    /// Returns the entry of an authorization whose code is exchanged; `None` if the code must be refused.
    pub(crate) async fn begun(
        &self,
        family: &str,
        grant: &CodeGrant,
        scopes: &Scopes,
    ) -> OAuthResult<Option<ExpiringEntry>> {
        let Some(begun) = self.expiring.get(EntryKind::Family, family).await? else {
            // The patient has stopped the app. A request at the same time may have read the entry before.
            self.end_family(family).await?;
            return Ok(None);
        };
        if begun.value["exchanged"] == true {
            // A second click of the patient has created the code again while the app exchanged it.
            self.end_replayed(family, &grant.client, &grant.sign_in, Action::TokenIssued).await?;
            return Ok(None);
        }
        if !self.holds(&grant.sign_in, &grant.scopes, scopes).await? {
            self.end_family(family).await?;
            return Ok(None);
        }
        Ok(Some(begun))
    }

    /// Extends an authorization to the lifetime of its tokens when its code is used up. `begun` is its entry from the start of the exchange.
    /// Returns false if it was ended in the meantime, or if another request has exchanged the code.
    pub(crate) async fn confirm_family(
        &self,
        family: &str,
        begun: ExpiringEntry,
        sign_in: &SignIn,
        expires_at: Timestamp,
    ) -> OAuthResult<bool> {
        let kept = ExpiringEntry { value: self.noted_now(sign_in, true), expires_at, ..begun };
        Ok(self.expiring.replace(EntryKind::Family, family, &kept).await?)
    }

    /// Extends the lifetime of an authorization. Returns false if it was revoked in the meantime.
    pub(crate) async fn prolong(
        &self,
        grant: &RefreshGrant,
        client: &Client,
        is_reusable: bool,
    ) -> OAuthResult<bool> {
        let RefreshGrant { family, scopes, sign_in, .. } = grant;
        let Some(known) = self.expiring.get(EntryKind::Family, family).await? else { return Ok(false) };
        let expires_at = self.after(self.lifetime(scopes))?;
        let noted = known.value["noted"].as_i64().unwrap_or_default();
        let is_due = self.clock.now().as_second() - noted >= NOTED.as_secs();
        if is_due {
            self.record_use(&client.id, scopes, sign_in, family, expires_at, true).await?;
        }
        let value = if is_due { self.noted_now(sign_in, true) } else { known.value.clone() };
        let kept = ExpiringEntry { value, expires_at, ..known };
        if self.expiring.replace(EntryKind::Family, family, &kept).await? {
            return Ok(true);
        }
        Ok(is_reusable && self.expiring.get(EntryKind::Family, family).await?.is_some())
    }

    /// Returns the value of an authorization's entry: the time at which its use was noted in the patient's list, whether its code was
    /// exchanged, and how the patient signed in, which is compared when a token is verified ([`CameFrom`]).
    fn noted_now(&self, sign_in: &SignIn, is_exchanged: bool) -> Value {
        let mut value = json!({ "noted": self.clock.now().as_second(), "exchanged": is_exchanged });
        if let Some(method) = &sign_in.method {
            value["from"] = json!(CameFrom { method: method.clone(), patient: sign_in.patient.clone() });
        }
        value
    }

    /// Records in the patient's list of apps that an authorization was used.
    async fn record_use(
        &self,
        client: &ClientId,
        scopes: &Scopes,
        sign_in: &SignIn,
        family: &str,
        expires_at: Timestamp,
        is_exchanged: bool,
    ) -> domain::error::Result<()> {
        let used = self.clock.now();
        // Grants of older versions have no time of the sign-in.
        let signed_in = Timestamp::from_second(sign_in.at).ok().filter(|at| *at > Timestamp::UNIX_EPOCH);
        let since = signed_in.unwrap_or(used);
        let (family, client, scopes) = (family.to_owned(), client.clone(), scopes.clone());
        let authorization = Authorization { family, client, scopes, since, used, expires_at, is_exchanged };
        let has_ended = self.authorizations().record_use(&sign_in.patient, &authorization).await;
        // Even a failed call may have ended other authorizations.
        if !matches!(has_ended, Ok(false)) {
            self.verifier.forget();
        }
        has_ended.map(|_| ())
    }

    /// Revokes all tokens of an authorization, and its code.
    pub(crate) async fn end_family(&self, family: &str) -> OAuthResult<()> {
        let ended = self.expiring.take(EntryKind::Family, family).await;
        // Even a failed call may have ended it.
        self.verifier.forget();
        ended?;
        Ok(())
    }

    /// Handles the second use of a code or a refresh token: two parties have it, and the server cannot know which of them stole it. The
    /// tokens are revoked before the other steps, which can fail. `action` is the refused action.
    pub(crate) async fn end_replayed(
        &self,
        family: &str,
        client: &ClientId,
        sign_in: &SignIn,
        action: Action,
    ) -> OAuthResult<()> {
        self.end_family(family).await?;
        tracing::warn!(client.id = %client, "a code or a refresh token was used a second time; its family is revoked");
        let event = Event::new(Actor::client(client), action).of_patient(&sign_in.patient);
        Ok(self.audit.record(event.with(Outcome::Refused)).await?)
    }
}
