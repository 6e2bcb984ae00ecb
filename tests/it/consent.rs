//! Check 29 (`infra/docs/checks.md`): the consent page has each meaning of the scopes once, in words, in both languages.

use tests::{ANNA, Launch, World, parameter, settings};

/// Every scope that the consent page must describe, and other spellings of the same scopes.
const SCOPES: &str = "openid fhirUser profile launch/patient patient/$ehi-export patient/*.rs patient/*.read patient/Observation.rs \
                      patient/Observation.read patient/Condition.r patient/Goal.rs patient/ExplanationOfBenefit.rs \
                      patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory \
                      online_access offline_access";

/// Returns the scopes of the consent page of an app that asks for all these scopes.
async fn consent_lines(world: &World, launch: &Launch, language: &str) -> (Vec<String>, String) {
    let login = world.get(&launch.authorize()).send().await.location();
    let request = parameter(&login, "request").expect("a request");
    let fields = [("request", request.as_str()), ("patient", ANNA)];
    let picked = world.post("/patient-login").form(&fields).send().await;
    let cookie = format!("{}; lang={language}", picked.cookie());
    let page = world.get(&picked.location()).header("cookie", &cookie).send().await.text();
    assert!(page.contains(&format!("<html lang=\"{language}\"")), "{page}");
    let main = page.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("a page");
    let list = main.split("<ul").nth(1).and_then(|rest| rest.split("</ul>").next()).expect("a list");
    let items = list.split("<li>").skip(1);
    let lines = items.map(|item| item.split("</li>").next().unwrap_or_default().replace("&#34;", "\""));
    (lines.collect(), main.to_owned())
}

/// Check 29.
#[tokio::test]
async fn the_consent_page_has_each_known_scope_once_and_in_words() {
    let client = format!(
        "[[clients]]\nid = \"asking-app\"\nname = \"The asking app\"\nscopes = \"{SCOPES}\"\n\
         redirect_uris = [\"https://confidential.example.org/callback\"]\n"
    );
    let world = World::of(&(settings("sandbox = true") + &client), &ehi::defaults::sample_records());
    let mut launch = Launch::new("asking-app");
    SCOPES.clone_into(&mut launch.scope);
    let english = [
        "Know who you are",
        "Know whose record this is",
        "Read your health record",
        "Read your goals",
        "Read your illnesses",
        "Read your insurance payments",
        "Read your test results and measures",
        "Read a part of your test results and measures: only lab tests",
        "Get a copy of your record; you choose the parts",
        "Do this while you are signed in",
        "Do this later too, until you stop it in \"Apps with access\"",
    ];
    let spanish = [
        "Saber quién es usted",
        "Saber de quién es el historial",
        "Leer su historial médico",
        "Leer su información: enfermedades",
        "Leer su información: metas",
        "Leer su información: pagos del seguro",
        "Leer su información: resultados de pruebas y medidas",
        "Leer una parte de su información (resultados de pruebas y medidas): solo análisis de laboratorio",
        "Obtener una copia de su historial; usted elige las partes",
        "Hacerlo mientras su sesión esté abierta",
        "Hacerlo también después, hasta que lo detenga en \"Aplicaciones con acceso\"",
    ];
    for (language, expected) in [("en", english), ("es", spanish)] {
        let (lines, page) = consent_lines(&world, &launch, language).await;
        assert_eq!(lines, expected, "{language}");
        for scope in SCOPES.split_whitespace() {
            assert!(!page.contains(scope), "{language}: the page says '{scope}'");
        }
    }
}
