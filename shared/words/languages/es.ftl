# Las palabras de las páginas, en español. Los mensajes y sus variables son los de en.ftl.

## Every page

language = Español
title = Copias del historial médico
skip-to-main = Ir a la parte principal
sign-out = Cerrar sesión
help = Ayuda
format = Qué hay en una copia
version = Versión { $version }
back = Atrás
home = Página de inicio
error-title = Error: { $title }
problem = Hay un problema

## Dates and numbers

month-1 = enero
month-2 = febrero
month-3 = marzo
month-4 = abril
month-5 = mayo
month-6 = junio
month-7 = julio
month-8 = agosto
month-9 = septiembre
month-10 = octubre
month-11 = noviembre
month-12 = diciembre
date = { $day } de { $month } de { $year }
year-and-month = { $month } de { $year }
date-and-time = { $date }, { $time }
date-order = day-first
# El español de los Estados Unidos escribe 1,234.5.
thousands = ,
direction = ltr
size-bytes = { $count ->
    [one] 1 byte
   *[other] { $count } bytes
}
size-kilobytes = { $count } kB
size-megabytes = { $count } MB
size-gigabytes = { $count } GB

## Errors

error-401 = Inicie sesión
error-401-do = Usted no ha iniciado sesión, o su sesión se cerró. Inicie sesión e intente de nuevo.
error-403 = No puede ver esto
error-403-do = Esta página es de otra persona. Si cree que debería ser suya, pida ayuda.
error-403-staff-do = Su cuenta no tiene la función que esto requiere. Pídala a un administrador.
error-origin = No se cambió nada
error-origin-do = Esto lo envió otro sitio web, así que no lo hicimos. Si lo quiere, hágalo en nuestras propias páginas.
error-404 = No encontramos esto
error-404-do = Quizá ya no está, o la dirección es incorrecta. Revise la dirección o empiece de nuevo.
error-405 = Esto no funciona aquí
error-405-do = La página se pidió de una forma que no conoce. Vaya a la página de inicio.
error-409 = Otra persona cambió esto
error-409-do = Vuelva atrás, cargue la página de nuevo y mire qué ha cambiado.
error-413 = Lo que envió es demasiado grande
error-413-do = Un formulario puede tener { $size } como máximo. Vuelva atrás, acorte su texto y envíelo de nuevo.
back-to-form = Volver al formulario
error-413-get = Esto es demasiado grande
error-413-get-do = Es demasiado grande para enviarlo de una vez. Vuelva atrás y elija una parte más pequeña.
error-429 = Espere { $seconds ->
    [one] 1 segundo
   *[other] { $seconds } segundos
} e intente de nuevo
error-429-do = Hubo demasiados intentos en poco tiempo. No se ha perdido nada.
error-unkept-do = Su formulario no se guardó. Vuelva a él en su navegador y envíelo de nuevo más tarde.
error-exports = Demasiadas copias no están listas todavía
error-exports-do = No se ha perdido nada. Espere a que una de estas copias esté lista, o cancele una. Después envíe esto otra vez. Si no cancela ninguna, intente de nuevo en { $time }.
wait-seconds = { $seconds ->
    [one] 1 segundo
   *[other] { $seconds } segundos
}
wait-minutes = { $minutes ->
    [one] 1 minuto
   *[other] { $minutes } minutos
}
error-500 = Algo falló aquí. Intente más tarde.
error-500-do = No fue culpa suya, y lo vemos en nuestro registro. Si se repite, pida ayuda y díganos el número de solicitud.
error-503 = Esto no está disponible ahora. Intente más tarde.
error-other = Esto no funcionó
error-other-do = Vuelva atrás y revise lo que envió, o empiece de nuevo.
error-app = Empiece de nuevo en su aplicación
error-app-do = Esta página es demasiado antigua o ya se usó. Vuelva a la aplicación y empiece de nuevo allí.
error-app-wrong = Esta aplicación no puede pedir acceso aquí
error-app-wrong-do = La aplicación no está registrada con nosotros, o su solicitud tiene un error. No hemos compartido nada. Vuelva a la aplicación y avise a quienes la hacen.
error-details = Detalles
error-in-english = Detalles (en inglés)
request-number = Número de solicitud: { $number }

## Landing

landing-title = Obtenga una copia de su historial médico
landing-lead = Su historial es suyo. Puede pedir una copia en cualquier momento.
landing-choose = Usted elige. Pida una copia y marque las partes que quiere.
landing-check = Nosotros revisamos. Nuestro personal comprueba que la copia vaya a la persona correcta.
landing-get = Usted la recibe. Descargue aquí la copia cuando esté lista, o deje que su aplicación la cargue.
landing-get-app = Usted la recibe. Su aplicación carga la copia cuando está lista.
landing-patient = Para pacientes
landing-patient-do = Inicie sesión aquí, o empiece en la aplicación de salud que usa.
landing-patient-do-app = Empiece en la aplicación de salud que usa.
landing-staff = Para el personal
landing-staff-do = Vea las copias que se han pedido y revíselas.
landing-developers = Para desarrolladores
landing-developers-do = Conecte una aplicación o un servicio con este servidor.
landing-base = Base FHIR
landing-discovery = Descubrimiento
landing-kick-off = Inicio
landing-sandbox = Esto es un entorno de prueba: se elige un paciente en vez de iniciar sesión. Ponga /auto-approve antes de la base FHIR para omitir la revisión y /no-form para omitir el formulario.

## Signing in

sign-in = Iniciar sesión
sign-in-title = Inicie sesión en su historial
sign-in-app = { $app } lo envió aquí.
user-name = Usuario
password = Contraseña
sign-in-wrong = Usuario o contraseña incorrectos. Intente de nuevo.
sign-in-locked = Hubo demasiados intentos. Espere { $seconds ->
    [one] 1 segundo
   *[other] { $seconds } segundos
} e intente de nuevo.
sign-in-again = Cerramos su sesión para protegerlo. Sus respuestas están guardadas.
sign-in-or-form = Inicie sesión, o abra el formulario otra vez desde su aplicación.
go-on-title = Continúe en su aplicación
go-on-form = Nadie puede iniciar sesión en esta página. Abra el formulario otra vez desde su aplicación.
go-on-app = Los pacientes no inician sesión en esta página. Vuelva a la aplicación en la que pidió su historial.
pick-title = ¿Quién es usted?
pick-lead = Esto es un entorno de prueba: elija cualquier paciente.
pick-from = Número del paciente
pick-show = Mostrar desde aquí
pick-more = Más pacientes
pick-none = Aquí no hay pacientes.
pick-wrong = Ese paciente no existe.
staff-sign-in = Acceso del personal
staff-signed-out = Su sesión se cerró antes de que esto llegara, y no cambió nada. Inicie sesión: la página se muestra de nuevo.
staff-signed-out-kept = Su sesión se cerró antes de que esto llegara, y no cambió nada. Inicie sesión: la página se muestra de nuevo, con lo que usted escribió.
staff-signed-out-files = Su sesión se cerró antes de que llegara esto, y no se adjuntó nada. Inicie sesión y elija los archivos otra vez.
staff-session-warning = Cerraremos su sesión en 2 minutos. Para continuar, pulse el botón: lo que escribió se conserva.
staff-kept = Su sesión se cerró entretanto. Esto es lo que usted escribió. No cambió nada: revíselo y pulse el botón.

## Permission for an app

consent-title = { $app } pide su historial médico
consent-you = Usted es { $name }.
consent-not-you = ¿No es usted?
consent-may = Si usted lo permite, { $app } puede:
consent-goes = { $app } no es parte de { $org }. Lo que usted permita va a { $host }.
allow = Permitir
do-not-allow = No permitir
scope-identity = Saber quién es usted
scope-record = Saber de quién es el historial
scope-read-all = Leer su historial médico
scope-read = Leer su información: { $type }
scope-read-all-part = Leer una parte de su historial médico: solo { $limit }
scope-read-part = Leer una parte de su información ({ $type }): solo { $limit }
scope-tagged = Ver solo lo que tiene la etiqueta { $label }
scope-export = Obtener una copia de su historial; usted elige las partes
scope-online = Hacerlo mientras su sesión esté abierta
scope-offline = Hacerlo también después, hasta que lo detenga en "Aplicaciones con acceso"
scope-unknown = Otra cosa: { $scope }
type-Account = cuentas de facturas
type-AdverseEvent = problemas durante la atención
type-AllergyIntolerance = alergias
type-Appointment = citas
type-AppointmentResponse = respuestas sobre citas
type-AuditEvent = lista de quién usó su historial
type-Basic = notas de otro tipo
type-Binary = documentos
type-BodyStructure = partes del cuerpo
type-CarePlan = planes de atención
type-CareTeam = equipo médico
type-ChargeItem = cargos
type-Claim = facturas
type-ClaimResponse = respuestas a facturas
type-ClinicalImpression = opiniones médicas
type-Communication = mensajes
type-CommunicationRequest = mensajes por enviar
type-Composition = informes escritos
type-Condition = enfermedades
type-Consent = permisos
type-Contract = contratos
type-Coverage = seguro
type-CoverageEligibilityRequest = preguntas al seguro
type-CoverageEligibilityResponse = respuestas del seguro
type-DetectedIssue = avisos sobre la atención
type-Device = dispositivos
type-DeviceRequest = pedidos de dispositivos
type-DeviceUseStatement = uso de dispositivos
type-DiagnosticReport = informes de pruebas
type-DocumentManifest = listas de documentos
type-DocumentReference = cartas y documentos
type-Encounter = visitas
type-EnrollmentRequest = solicitudes de ingreso a un seguro
type-EpisodeOfCare = períodos de atención
type-ExplanationOfBenefit = pagos del seguro
type-FamilyMemberHistory = enfermedades en la familia
type-Flag = alertas
type-Goal = metas
type-Group = grupos de personas
type-GuidanceResponse = consejos sobre la atención
type-HealthcareService = servicios de salud
type-ImagingStudy = radiografías y otras imágenes
type-Immunization = vacunas
type-ImmunizationEvaluation = revisiones de vacunas
type-ImmunizationRecommendation = vacunas recomendadas
type-InsurancePlan = planes de seguro
type-Invoice = facturas por pagar
type-List = listas
type-Location = lugares de atención
type-MeasureReport = informes de calidad
type-Media = fotos y grabaciones
type-Medication = lista de medicinas
type-MedicationAdministration = medicinas dadas durante la atención
type-MedicationDispense = medicinas de la farmacia
type-MedicationRequest = recetas
type-MedicationStatement = medicinas en uso
type-MolecularSequence = datos de genes
type-NutritionOrder = dietas
type-Observation = resultados de pruebas y medidas
type-Organization = hospitales y consultorios
type-Patient = nombre y dirección
type-Person = datos personales
type-Practitioner = médicos y enfermeros
type-PractitionerRole = puestos de médicos y enfermeros
type-Procedure = tratamientos
type-Provenance = notas sobre de dónde vienen las entradas
type-Questionnaire = formularios con preguntas
type-QuestionnaireResponse = respuestas a preguntas
type-RelatedPerson = familia y contactos
type-RequestGroup = grupos de pedidos
type-ResearchSubject = participación en estudios
type-RiskAssessment = riesgos de salud
type-Schedule = horarios
type-ServiceRequest = pedidos de pruebas y atención
type-Specimen = muestras para pruebas
type-Substance = sustancias
type-SupplyDelivery = suministros recibidos
type-SupplyRequest = pedidos de suministros
type-Task = tareas
type-VisionPrescription = recetas de gafas y lentes de contacto
type-other = otras entradas ({ $type })
limit-activity = movimiento y ejercicio
limit-cardiology = pruebas del corazón
limit-clinical-note = notas de su equipo médico
limit-clinical-test = otras pruebas médicas
limit-cognitive-status = memoria y pensamiento
limit-disability-status = discapacidades
limit-encounter-diagnosis = lo que se encontró en visitas
limit-exam = lo que se encontró en exámenes
limit-functional-status = lo que usted puede hacer sin ayuda
limit-health-concern = preocupaciones de salud
limit-imaging = radiografías y otras imágenes
limit-laboratory = análisis de laboratorio
limit-other = lo que cumple { $search }
limit-pathology = informes de tejidos
limit-problem-list-item = su lista de problemas de salud
limit-procedure = resultados de tratamientos
limit-sdoh = necesidades como comida y vivienda
limit-social-history = hábitos y forma de vida
limit-survey = respuestas a preguntas
limit-therapy = resultados de terapias
limit-vital-signs = medidas como la presión

## The patient's own pages

my-navigation = Sus páginas
my-copies = Mis copias
my-apps = Aplicaciones con acceso
my-ask = Pedir una copia
my-ask-again = Pedir otra vez una copia
my-none = Todavía no tiene copias.
my-older = Copias anteriores
my-all = Todas mis copias
my-copy-of = Copia del { $date }
my-asked-here = Usted la pidió aquí el { $date }.
my-asked-staff = Nuestro personal la inició para usted el { $date }.
my-asked-staff-for = Nuestro personal la inició el { $date }. Quién la recibe, en sus palabras: «{ $receiver }»
my-asked-app = Usted la pidió en { $app } el { $date }.
my-asked-other = La aplicación { $app } de { $issuer } la pidió el { $date }. La copia es para esa aplicación: usted no la puede descargar aquí, pero le puede poner fin.
receiver-you = usted
my-said-sent = Tenemos su solicitud. Puede cerrar esta página.
my-said-already = Usted ya envió esto.
my-said-cancelled = La copia está cancelada.
my-said-deleted = La copia está borrada.
my-said-taken-back = Su permiso está retirado. La copia está cancelada y sus archivos se borraron.
my-said-stopped = La aplicación ya no tiene acceso.
my-next-awaiting-input = Elija qué quiere en su copia.
my-next-queued = Reunimos las partes que marcó. No tiene que hacer nada.
my-next-running = Reunimos las partes que marcó. No tiene que hacer nada.
my-next-collecting = Reunimos lo que se pidió. No tiene que hacer nada.
my-next-in-review = Nuestro personal revisa la copia. No tiene que hacer nada.
my-next-complete = Está aquí hasta el { $date }.
my-next-failed = Pida la copia otra vez, por favor.
my-next-cancelled = Puede pedir otra copia.
my-next-other-awaiting-input = Espera las elecciones del formulario.
my-next-other-complete = Esa aplicación la puede descargar hasta el { $date }.
my-next-other-rejected = Nuestro personal no la entregó.
my-next-other-failed = No se pudo preparar.
my-next-other-cancelled = Esa aplicación ya no la puede descargar.
my-next-other-expired = Sus archivos se borraron.
my-next-restorable = Nuestro personal borró esta copia. La puede recuperar hasta el { $date }, salvo que usted la borre definitivamente.
my-next-expired = Sus archivos se borraron. Puede pedir otra copia.
my-choose = Elegir qué quiere
my-update-by-itself = Actualizar sola
my-updates = Esta página se actualiza sola.
my-stop-updates = Parar
my-chosen = Lo que se eligió
my-chosen-all = Todo lo que hay en su historial.
my-no-topics = Ninguno
my-contents = Qué contiene
my-what = Qué
my-count = Cuántos
my-left-out = Qué dejamos fuera y por qué
my-account = Leímos { $read ->
    [one] 1 entrada
   *[other] { $read } entradas
} y { $found ->
    [one] 1 documento
   *[other] { $found } documentos
} de su historial. La copia contiene { $written ->
    [one] 1 entrada
   *[other] { $written } entradas
} y { $documents ->
    [one] 1 documento
   *[other] { $documents } documentos
}.
my-nothing-left-out = No dejamos nada fuera.
my-why = Por qué
my-entries = Entradas
my-documents = Documentos
my-why-topic = Tema privado que no marcó: { $topic }
my-why-topic-staff = Tema privado que no se eligió: { $topic }
my-why-type = No se pidió este tipo
my-why-since = Es anterior a lo que se pidió
my-why-until = Es posterior a lo que se pidió
my-why-filter = No se pidió
my-why-formGroup = Usted no marcó esta parte
my-why-formGroup-staff = Esta parte no se eligió
my-why-dateRange = Está fuera de las fechas que eligió
my-why-dateRange-staff = Está fuera de las fechas que se eligieron
my-why-tag = Está marcado: no es para esta aplicación
my-why-scope = No es para esta aplicación
my-why-deleted = Se borró
my-why-provenance = Dice de dónde vienen otras entradas y no se pidió
my-why-document = Pertenece a una entrada que no está en la copia
my-why-unreferenced = Nada de la copia se refiere a él
my-why-staff = Nuestro personal lo dejó fuera. Por qué: { $reasons }
my-quoted = «{ $text }»
my-why-duplicates = Está dos veces
my-why-problems = No pudimos leerlo
my-cancel = Cancelar esta copia
my-cancel-title = ¿Cancelar esta copia?
my-cancel-lead = Dejamos de reunir datos y borramos lo que ya reunimos. Puede pedir otra copia en cualquier momento.
my-cancel-yes = Sí, cancelarla
my-delete = Borrar esta copia
my-delete-title = ¿Borrar esta copia?
my-delete-lead = Borramos sus archivos de nuestro servidor. Lo que usted o una aplicación ya descargó se queda donde está.
my-delete-yes = Sí, borrarla
my-take-back = Retirar mi permiso
my-take-back-title = ¿Retirar su permiso?
my-take-back-lead = Usted permitió incluir temas privados en esta copia. Si retira el permiso, la copia se cancela y sus archivos se borran. Lo ya enviado no se retira.
my-take-back-lead-app = La aplicación eligió temas privados para esta copia y nos dijo que usted los permite. Si retira el permiso, la copia se cancela y sus archivos se borran. Lo ya enviado no se retira.
my-take-back-yes = Sí, retirarlo
my-keep = No, volver
my-no-apps = Ninguna aplicación tiene acceso a su historial.
my-apps-lead = Usted permitió que estas aplicaciones vean su historial.
my-app-since = Desde el { $date }
my-app-used = Último uso: { $date }
my-app-may = Puede:
my-stop = Detener el acceso
my-stop-title = ¿Detener el acceso de { $app }?
my-stop-lead = { $app } ya no podrá ver su historial. Conserva lo que ya tiene.
my-sign-out = Cerrar todas las sesiones
my-sign-out-hint = Cierra su sesión en todos los navegadores.
my-sign-out-title = ¿Cerrar todas las sesiones?
my-sign-out-lead = Se cierra su sesión aquí y en todos los demás navegadores. Las aplicaciones conservan su acceso.
my-download-all = Descargar todo (ZIP, unos { $size })
my-download-title = Descargar
my-download-hint = El ZIP tiene una página que usted puede leer, todos los archivos y lo que un programa necesita para comprobarlos.
my-zip-hint = El ZIP de una copia grande se prepara primero. Esto tarda unos minutos.
my-zip-title = El ZIP de su copia del { $date }
my-zip-state-none = Aún no preparado
my-zip-state-preparing = Preparándose
my-zip-state-stale = Con retraso
my-zip-state-ready = Listo
my-zip-state-failed = Hubo una falla
my-zip-next-none = Preparamos el ZIP cuando usted lo pide.
my-zip-next-preparing = Estamos preparando el ZIP. Puede salir de esta página y volver más tarde.
my-zip-next-stale = El ZIP tarda más de lo normal. Puede pedirlo otra vez. Seguimos donde nos detuvimos.
my-zip-next-ready = Puede descargar el ZIP. Se borra junto con la copia.
my-zip-next-failed = No pudimos preparar el ZIP. Intente de nuevo, o descargue los archivos uno por uno.
my-zip-ask = Preparar el ZIP
my-zip-ask-again = Preparar el ZIP otra vez
my-zip-download = Descargar el ZIP
my-zip-single = Descargar los archivos uno por uno
my-zip-back = Volver a la copia
my-single-files = Archivos sueltos
my-files-listed = Archivos { $from } a { $to } de { $count }
my-files-first = Primeros archivos
my-files-next = Más archivos
notice-part-2 = La norma 42 CFR parte 2 prohíbe usar o divulgar estos registros sin autorización.
zip-lead = Esta página muestra lo más importante. Los archivos lo tienen todo. Nada de esta página se envía a ningún lugar.
zip-days = Fechas
zip-date = Fecha
zip-what = Qué
zip-value = Valor o estado
zip-id = Número
zip-all = { $count } en total.
zip-first = Los primeros { $most } de { $count }; los archivos tienen todos.
zip-attachments = Documentos e imágenes
zip-more-attachments = La carpeta "attachments" tiene más.
zip-file-name = historial-medico-{ $date }
zip-readme-index = index.html: ábralo en un navegador para leer su historial. No necesita internet.
zip-readme-data = data: su historial en FHIR R4 (hl7.org/fhir/R4), en archivos del tipo NDJSON. Cada línea es una entrada, en JSON. Los programas y otros hospitales pueden leerlo.
zip-readme-attachments = attachments: cartas, imágenes y otros documentos. Una entrada nombra un documento por una dirección. El nombre del archivo aquí es lo que sigue a la última "/" de la dirección, sin el "?" y lo que viene después.
zip-readme-manifest = manifest.json: la lista de los archivos, cuántas entradas tiene cada uno, y la cuenta de lo que quedó fuera y por qué.
zip-readme-sums = SHA256SUMS: las sumas de todos los archivos. "sha256sum -c SHA256SUMS" dice si un archivo cambió.
zip-readme-address = Las direcciones de las entradas son las del servidor que hizo esta copia. Quizá ya no funcionen. Hasta que la copia se borre allí, cualquiera que tenga una dirección con "?key=" puede abrir su documento.
zip-readme-safe = Guarde esta copia en un lugar seguro. Quien la tiene puede leer su historial.
zip-readme-format = Más sobre el formato: { $url }
gone-title = Ya no está
gone-lead = Esta copia ya no está aquí, o es de otra persona.
sign-in-other = Iniciar sesión como otra persona
kind-Account = Cuentas de facturas
kind-AdverseEvent = Problemas durante la atención
kind-AllergyIntolerance = Alergias
kind-Appointment = Citas
kind-AppointmentResponse = Respuestas sobre citas
kind-AuditEvent = Quién usó el historial
kind-Basic = Notas de otro tipo
kind-Binary = Documentos
kind-BodyStructure = Partes del cuerpo
kind-CarePlan = Planes de atención
kind-CareTeam = Equipos médicos
kind-ChargeItem = Cargos
kind-Claim = Facturas
kind-ClaimResponse = Respuestas a facturas
kind-ClinicalImpression = Opiniones médicas
kind-Communication = Mensajes
kind-CommunicationRequest = Mensajes por enviar
kind-Composition = Informes escritos
kind-Condition = Enfermedades
kind-Consent = Permisos
kind-Contract = Contratos
kind-Coverage = Seguro
kind-CoverageEligibilityRequest = Preguntas al seguro
kind-CoverageEligibilityResponse = Respuestas del seguro
kind-DetectedIssue = Avisos sobre la atención
kind-Device = Dispositivos
kind-DeviceRequest = Pedidos de dispositivos
kind-DeviceUseStatement = Uso de dispositivos
kind-DiagnosticReport = Informes de pruebas
kind-DocumentManifest = Listas de documentos
kind-DocumentReference = Cartas y documentos
kind-Encounter = Visitas
kind-EnrollmentRequest = Solicitudes de ingreso a un seguro
kind-EpisodeOfCare = Períodos de atención
kind-ExplanationOfBenefit = Lo que pagó el seguro
kind-FamilyMemberHistory = Enfermedades en la familia
kind-Flag = Alertas
kind-Goal = Metas
kind-Group = Grupos de personas
kind-GuidanceResponse = Consejos sobre la atención
kind-HealthcareService = Servicios de salud
kind-ImagingStudy = Radiografías y otras imágenes
kind-Immunization = Vacunas
kind-ImmunizationEvaluation = Revisiones de vacunas
kind-ImmunizationRecommendation = Vacunas recomendadas
kind-InsurancePlan = Planes de seguro
kind-Invoice = Facturas por pagar
kind-List = Listas
kind-Location = Lugares de atención
kind-MeasureReport = Informes de calidad
kind-Media = Fotos y grabaciones
kind-Medication = Medicinas
kind-MedicationAdministration = Medicinas dadas durante la atención
kind-MedicationDispense = Medicinas de la farmacia
kind-MedicationRequest = Recetas
kind-MedicationStatement = Medicinas en uso
kind-MolecularSequence = Datos de genes
kind-NutritionOrder = Dietas
kind-Observation = Resultados de pruebas y medidas
kind-Organization = Hospitales y consultorios
kind-Patient = Nombre y dirección
kind-Person = Datos personales
kind-Practitioner = Médicos y enfermeros
kind-PractitionerRole = Puestos de médicos y enfermeros
kind-Procedure = Tratamientos
kind-Provenance = De dónde vienen las entradas
kind-Questionnaire = Formularios con preguntas
kind-QuestionnaireResponse = Respuestas a preguntas
kind-RelatedPerson = Familia y contactos
kind-RequestGroup = Grupos de pedidos
kind-ResearchSubject = Participación en estudios
kind-RiskAssessment = Riesgos de salud
kind-Schedule = Horarios
kind-ServiceRequest = Pedidos de pruebas y atención
kind-Specimen = Muestras para pruebas
kind-Substance = Sustancias
kind-SupplyDelivery = Suministros recibidos
kind-SupplyRequest = Pedidos de suministros
kind-Task = Tareas
kind-VisionPrescription = Gafas y lentes de contacto
kind-other = Otras entradas

## The form, step 1

step = Paso { $step } de { $steps }
parts-title = ¿Qué quiere en su copia?
parts-for = Esta copia es sobre { $name }.
parts-lead = Marque cada parte que quiere.
parts-always = Siempre incluye su nombre, su equipo médico y medidas como la presión.
tick-all = Marcar todo
clear-all = Borrar todo
dates-and-note = Fechas y nota
of-part = de { $part }
from = Desde
to = Hasta
month = Mes
day = Día
year = Año
dates-hint = Basta con el año. Sin fechas: todo.
note = Nota
note-hint = Nuestro personal lee esta nota. Máximo { $limit } letras.
note-hint-unread = Nadie del personal lee esta nota antes de que usted reciba la copia; por eso no deja nada fuera. Máximo { $limit } letras.
continue = Continuar
save-for-later = Guardar para después
part-visits = Visitas y tratamientos
part-visits-hint = Cuándo vino y qué se hizo.
part-labs = Análisis de laboratorio
part-labs-hint = Sangre, orina y otras pruebas.
part-billing = Facturas y seguro
part-billing-hint = Lo que cobramos y quién pagó.
part-medicalRecord = Enfermedades, medicinas y lo demás
part-medicalRecord-hint = También alergias, vacunas, planes.
part-dischargeSummary = Cartas del hospital
part-dischargeSummary-hint = Escritas cuando usted salió.
part-operative = Notas de cirugía
part-operative-hint = Cómo fue una operación.
part-pathology = Informes de tejidos
part-pathology-hint = Lo que se vio en sus células.
part-radiology = Radiografías y otras imágenes
part-radiology-hint = Del interior de su cuerpo.
part-photographs = Fotos
part-photographs-hint = Tomadas para su atención.
part-other = Otros papeles
part-other-hint = Cualquier otro de su historial.

## The form, step 2

topics-title = Temas privados
topics-lead = Si no marca un tema, lo dejamos fuera. Las notas y cartas aún pueden mencionarlo.
topic-hiv = VIH
topic-hiv-hint = Pruebas y atención.
topic-alcoholAndDrug = Alcohol y drogas
topic-alcoholAndDrug-hint = Atención por su consumo.
topic-mentalHealth = Salud mental
topic-mentalHealth-hint = Atención del ánimo, la mente o la conducta.
topic-confidential = Marcado como privado
topic-confidential-hint = Por su equipo médico.
topic-domesticViolence = Violencia en el hogar
topic-domesticViolence-hint = Daño causado por familia o pareja.
topic-sexualAssault = Agresión sexual
topic-sexualAssault-hint = Atención tras actos sexuales no deseados.
topic-genetic = Pruebas genéticas
topic-genetic-hint = Pruebas de sus genes.
topic-other = Otros temas privados
topic-other-hint = Por ejemplo, salud sexual.
topic-box = ¿Cuáles? Lo lee nuestro personal. Vacío: todas.
topic-box-unread = ¿Cuáles? Nadie del personal lo lee antes de que usted reciba la copia; por eso contiene todo el tema.
topic-box-of = { $topic }: ¿cuáles?

## The form, step 3

check-title = Revise antes de enviar
check-parts = Lo que quiere
check-note = Nota
check-all-times = Todo el tiempo
check-from = Desde: { $from }
check-to = Hasta: { $to }
check-from-to = Desde: { $from }. Hasta: { $to }
check-left-out = Queda fuera
check-in = En la copia
check-topics = Temas privados
check-which = Cuáles: { $text }
change = Cambiar
change-parts = lo que quiere
change-topics = los temas privados
permission-title = Su permiso
permission = Usted permite que { $org } dé a { $receiver } los temas que marcó, porque usted lo pide. Termina el { $date }. Puede retirarlo antes; lo ya enviado no se retira.
agree = Soy { $name } o puedo actuar en su nombre. Acepto.
send = Enviar mi solicitud

## Mistakes in the form

none-chosen = Elija al menos una parte.
not-a-date = { $part }: esta fecha no existe.
wrong-order = { $part }: "Desde" es posterior a "Hasta".
note-too-long = { $part }: acorte la nota { $count ->
    [one] 1 letra
   *[other] { $count } letras
}.
text-without-tick = Marque "{ $topic }" o borre su texto.
text-too-long = { $topic }: acorte el texto { $count ->
    [one] 1 letra
   *[other] { $count } letras
}.
agree-missing = Marque la casilla para aceptar.
two-tabs = Usted cambió esto en otra pestaña. Revíselo.

## The session of the form

session-ends = Cerramos su sesión tras { $minutes ->
    [one] 1 minuto
   *[other] { $minutes } minutos
} sin un clic.
session-warning = Cerraremos su sesión en 2 minutos. Guardaremos sus respuestas para cuando vuelva a iniciar sesión.
stay-signed-in = Seguir en la sesión
saved-title = Sus respuestas están guardadas
saved-lead = Vuelva antes del { $date }. Use el mismo enlace de su aplicación o inicie sesión aquí.
saved-lead-link = Vuelva antes del { $date }. Use el mismo enlace de su aplicación.
saved-go-on = Seguir ahora

## After sending

sent-title = Tenemos su solicitud
sent-number = Su número: { $job }
sent-next = Qué pasa ahora
sent-collect = Reunimos las partes que marcó.
sent-check = Nuestro personal revisa la copia. Quizá le haga una pregunta.
sent-get = Recibirá la copia antes del { $date }, casi siempre mucho antes. Su aplicación la carga sola.
sent-close = Puede cerrar esta página.
sent-state = Ver cómo va
sent-already = Usted ya envió esto.
state-title = Su copia
state-asked = Pedida el { $date }
state-awaiting-input = Falta que usted elija
state-queued = Reuniendo datos
state-running = Reuniendo datos
state-in-review = En revisión
state-complete = Lista
state-rejected = No enviada
state-failed = Hubo una falla
state-cancelled = Cancelada
state-expired = Ya no está
state-download = Descargar la copia
next-queued = Reunimos las partes que marcó. No tiene que hacer nada.
next-running = Reunimos las partes que marcó. No tiene que hacer nada.
next-in-review = Nuestro personal revisa la copia. No tiene que hacer nada.
next-complete = Abra su aplicación. Ella carga la copia sola. También puede descargarla aquí, en sus propias páginas.
next-complete-app = Abra su aplicación. Ella carga la copia sola.
next-failed = Pida la copia de nuevo, en su aplicación o aquí.
next-failed-app = Pida la copia de nuevo en su aplicación.
next-cancelled = Puede pedir otra copia, en su aplicación o aquí.
next-cancelled-app = Puede pedir otra copia en su aplicación.
next-expired = Sus archivos se han borrado. Puede pedir otra copia, en su aplicación o aquí.
next-expired-app = Sus archivos se han borrado. Puede pedir otra copia en su aplicación.
rejected-why = No enviamos esta copia. Motivo: { $reason }
rejected-no-reason = No se indicó ningún motivo.
rejected-next = Puede pedirla de nuevo o presentar una queja en hhs.gov/ocr.
rejected-next-office = Puede pedirla de nuevo o presentar una queja a { $office } o en hhs.gov/ocr.
rejected-next-look = Puede pedirla de nuevo, pedir que otro profesional la revise o presentar una queja en hhs.gov/ocr.
rejected-next-look-office = Puede pedirla de nuevo, pedir que otro profesional la revise o presentar una queja a { $office } o en hhs.gov/ocr.
update = Actualizar
this-organization = esta organización

## Qué contiene una copia

format-lead = Esta página dice qué contiene una copia de un historial médico y cómo pueden leerla los programas. Es para pacientes, para quien reciba una copia de ellos y para desarrolladores.
format-files = Los archivos
format-files-do = Una copia es un conjunto de archivos de texto en el formato estándar de los historiales médicos, FHIR R4 (versión 4.0.1). Hay uno o varios archivos por cada tipo de información, por ejemplo Observation para resultados de pruebas. Cada línea de un archivo es un recurso en JSON (NDJSON, UTF-8, las líneas terminan con un salto de línea). Las líneas se copian del historial tal como están; solo se cambian las direcciones de los documentos, para que lleven al documento de la copia.
format-documents = Las cartas, imágenes y otros documentos del historial son archivos propios, en el formato en que los tiene el historial. Un DocumentReference, Media o DiagnosticReport nombra cada uno, con su tamaño en bytes y su hash SHA-1 en base64 (Attachment.size, Attachment.hash).
format-links = Los estándares:
format-manifest = El manifiesto
format-manifest-do = El manifiesto es un documento JSON que enumera todos los archivos de una copia. Los miembros que tiene dependen de la solicitud y de la aplicación. Un punto en un nombre significa aquí: un miembro de ese objeto, o de cada objeto de esa lista.
manifest-transactionTime = La copia tiene lo que el historial tenía en este momento (un instante con zona horaria).
manifest-request = La dirección de la solicitud que inició la copia.
manifest-requiresAccessToken = Si un archivo solo se puede cargar con un token de acceso.
manifest-output = Los archivos de la copia.
manifest-deleted = Archivos que enumeran lo que se borró del historial. Solo los tienen las copias de cambios.
manifest-error = Archivos con recursos OperationOutcome: cada uno dice qué no se pudo copiar y por qué.
manifest-errors = Los mismos archivos que en error, para las aplicaciones que leen este nombre.
manifest-outcome = Los mismos archivos que en error, en la versión 4 de Bulk Data, que no tiene error.
manifest-outputFormat = El tipo de contenido de los archivos, en la versión 4 de Bulk Data.
manifest-manifestType = El tipo del manifiesto, en la versión 4 de Bulk Data.
manifest-outputOrganizedBy = Los archivos de la copia tienen un bloque para cada paciente (vea más abajo).
manifest-link = Si el manifiesto tiene varias páginas: dónde está la siguiente. La última página no tiene este miembro.
manifest-link-relation = Qué hay en la dirección: next, la página siguiente.
manifest-link-url = La dirección de la página siguiente.
manifest-extension = Más sobre toda la copia (vea más abajo).
manifest-status = El estado de una exportación que todavía está en curso o que ha fallado.
manifest-progress = Qué porcentaje está hecho de una exportación que todavía está en curso.
manifest-totalResources = Cuántos recursos ha escrito una exportación que todavía está en curso.
manifest-waiting = Un texto que dice desde cuándo una exportación que todavía está en curso espera a un almacén, y a cuál.
format-manifest-file = Cada archivo del manifiesto
format-manifest-file-do = Las listas output, deleted, error, errors y outcome tienen estos miembros para cada archivo:
manifest-file-type = El tipo de recurso de todas las líneas del archivo. Un archivo con bloques no lo tiene.
manifest-file-url = La dirección del archivo.
manifest-file-count = El número de recursos del archivo, que es el número de sus líneas sin los encabezados de los bloques.
manifest-file-fileSize = El tamaño del archivo en bytes, en la versión 4 de Bulk Data.
manifest-file-extension = Más sobre el archivo. En la versión 4 de Bulk Data es una lista de extensiones de FHIR, y una de ellas, https://schema.org/sha256, tiene el hash.
manifest-file-extension-sha256 = El hash SHA-256 del archivo, en dígitos hexadecimales.
manifest-file-extension-size = El tamaño del archivo en bytes.
format-manifest-extension = La extensión del manifiesto
format-manifest-extension-do = La extensión del manifiesto tiene estos miembros. En la versión 4 de Bulk Data es una lista de extensiones de FHIR, y la url de cada una es uno de estos nombres.
manifest-extension-metadata = La dirección del estado, las elecciones y la historia de la exportación.
manifest-extension-ehiDocumentationUrl = La dirección de esta página.
manifest-extension-notice = El aviso de la norma 42 CFR 2.32, si la copia puede tener registros sobre alcohol o drogas.
manifest-extension-ledger = La cuenta del historial: qué pasó con cada recurso que se leyó (vea más abajo).
format-manifest-ledger = La cuenta del historial
format-manifest-ledger-do = La cuenta (ledger) incluye todo lo que se leyó. Estas sumas se cumplen en cada copia: de los recursos, read es la suma de written, leftOut, withheld, duplicates y problems; de los documentos, found es la suma de written, leftOut, withheld y problems; de los pacientes, planned es la suma de exported, absent y failed.
manifest-ledger-patients = Los pacientes de la exportación.
manifest-ledger-patients-planned = Pacientes que la exportación debe copiar.
manifest-ledger-patients-exported = Pacientes cuyo historial se leyó entero.
manifest-ledger-patients-absent = Pacientes que no tienen historial aquí.
manifest-ledger-patients-failed = Pacientes cuyo historial solo se pudo leer en parte. Los archivos de errores dicen qué falta.
manifest-ledger-resources = Los recursos de la exportación.
manifest-ledger-resources-read = Recursos que se leyeron. También cuenta una línea que no es un recurso.
manifest-ledger-resources-written = De estos, los recursos que están en la copia, como línea o como documento.
manifest-ledger-resources-attachments = De los recursos escritos, los que están en la copia como documento (Binary).
manifest-ledger-resources-leftOut = Recursos que se dejaron fuera, contados por cada razón (vea más abajo).
manifest-ledger-resources-withheld = Recursos de temas privados que se retuvieron, contados por cada tema (vea más abajo).
manifest-ledger-resources-duplicates = Recursos que no están en la copia porque el historial o los recursos compartidos tienen una versión más reciente de ellos.
manifest-ledger-resources-problems = Recursos que no se pudieron usar. Los archivos de errores dicen por qué.
manifest-ledger-resources-made = Recursos de la copia que hizo la propia exportación. No se leyeron.
manifest-ledger-documents = Los documentos del historial que son archivos propios.
manifest-ledger-documents-found = Documentos que se encontraron.
manifest-ledger-documents-written = Documentos que están en la copia.
manifest-ledger-documents-leftOut = Documentos que se dejaron fuera, contados por cada razón (vea más abajo).
manifest-ledger-documents-withheld = Documentos de temas privados que se retuvieron, contados por cada tema (vea más abajo).
manifest-ledger-documents-problems = Documentos que no se pudieron leer.
manifest-ledger-problems = Los problemas de la exportación.
manifest-ledger-problems-reported = Problemas que están en los archivos de errores.
manifest-ledger-problems-unlisted = Problemas que solo se cuentan aquí, porque eran demasiados para los archivos de errores.
format-manifest-fhir = Extensiones de FHIR en el manifiesto
format-manifest-fhir-do = En la versión 4 de Bulk Data, las extensiones del manifiesto y de sus archivos son listas de objetos con estos miembros:
manifest-fhir-url = El nombre de lo que dice el objeto, por ejemplo ledger, patients o planned.
manifest-fhir-valueUrl = Una dirección.
manifest-fhir-valueString = Un texto.
manifest-fhir-valueUnsignedInt = Un número.
manifest-fhir-extension = Más objetos como este. La cuenta del historial tiene uno para cada objeto y cada número.
format-blocks = Bloques de pacientes
format-blocks-do = Si la solicitud tiene organizeOutputBy=Patient, los archivos de la copia tienen un bloque para cada paciente, en lugar de un archivo para cada tipo. Un bloque empieza con un encabezado, un recurso Parameters cuyo parámetro “header” se refiere al paciente (valueReference). Sigue el Patient, y después todos los demás recursos de este paciente, de cualquier tipo. Un bloque nunca se reparte entre archivos. Los recursos que no son de ningún paciente están en archivos propios, sin bloques.
format-hashes = Cómo comprobar una copia
format-hashes-do = Calcule el hash SHA-256 de cada archivo y compárelo con el manifiesto. El hash y el tamaño son los del archivo antes de cualquier compresión para el envío.
format-zip = El ZIP de las páginas del paciente
format-zip-do = Los pacientes descargan una copia como un ZIP. Tiene index.html (una página para personas: qué contiene la copia, con cantidades, fechas y los campos principales), README.txt, manifest.json, los archivos de la copia en data, los documentos en attachments, y SHA256SUMS, con el que “sha256sum -c SHA256SUMS” comprueba todos los archivos. En este manifiesto cada url es una ruta dentro del ZIP.
format-parts = Partes de un historial
format-parts-do = El formulario de una copia pregunta qué partes debe tener. Una parte tiene los recursos de estos tipos. Donde hay códigos, un recurso está en la parte si su categoría tiene uno de los códigos o, para documentos, su tipo o categoría (LOINC).
format-part = Parte
format-types = Tipos
format-codes = Códigos
format-any = Cualquiera
format-always = Siempre en una copia
format-all-others = Todos los demás tipos
format-topics = Temas privados
format-topics-do = Un recurso es de un tema privado si su etiqueta de seguridad (meta.security) es uno de estos códigos. Se retiene si el paciente no marcó el tema. De cada tema va primero su nombre en la cuenta (ledger) y después sus códigos. Los códigos son de
format-left-out = Lo que se dejó fuera
format-left-out-do = La cuenta dice cuánto se dejó fuera por cada una de estas razones:
left-out-type = La solicitud no pidió su tipo.
left-out-since = No cambió desde el momento que da la solicitud.
left-out-until = Cambió después del momento que da la solicitud, o después de empezar la copia.
left-out-filter = No cumple el filtro que la solicitud tiene para su tipo.
left-out-formGroup = Su parte no se marcó.
left-out-dateRange = Está fuera de las fechas elegidas para su parte.
left-out-tag = No tiene una etiqueta que la aplicación pueda ver.
left-out-scope = La aplicación no puede leerlo.
left-out-deleted = Se borró, y está en la lista de lo borrado.
left-out-provenance = Dice de dónde viene la información, y la solicitud no lo pidió.
left-out-document = Es un documento de un recurso que no está en la copia.
left-out-unreferenced = No es de ningún paciente, y nada de la copia se refiere a ello.
left-out-staff = El personal lo dejó fuera al revisar la copia. Los archivos de errores tienen el motivo.
format-left-out-file = Los motivos del personal, una línea por cada cosa que dejó fuera, están en este archivo de errores:
format-fields = Tipos y sus campos
format-fields-do = El enlace de cada tipo lleva a la definición de sus campos y sistemas de códigos. Un recurso puede tener cualquier campo de su definición, y extensiones. Es de un paciente si uno de los campos nombrados se refiere al paciente. Los campos de la última columna están en todos los recursos.
format-type = Tipo
format-belongs = Se refiere al paciente
format-has = Siempre está
format-others = Los recursos de otros tipos son de un paciente solo si uno de sus campos subject, patient, for, beneficiary o individual se refiere al paciente, por ejemplo Task.for. Todos los demás están en una copia si algo de la copia se refiere a ellos, por ejemplo un Medication o una Location. Estos tipos son:

## El registro de auditoría

staff-navigation = Personal
staff-exports = Exportaciones
audit-title = Registro de auditoría
audit-whole = { $count ->
    [one] La entrada más reciente está íntegra: no se cambió ni se quitó.
   *[other] Las { $count } entradas más recientes están íntegras: ninguna se cambió ni se quitó.
}
audit-newer = { $count ->
    [one] Una versión más reciente de este servidor escribió una entrada. La lista no la muestra.
   *[other] Una versión más reciente de este servidor escribió { $count } entradas. La lista no las muestra.
}
audit-broken = El registro de auditoría está roto. Alguien o algo lo ha cambiado.
audit-broken-entry = Cadena { $chain }, entrada { $entry }
audit-broken-do = Deje el almacén como está y pida al operador que ejecute «ehi audit verify».
audit-who = Quién
audit-patient = Identificador del paciente
audit-action = Acción
audit-what = Qué
audit-result = Resultado
audit-from = Desde la fecha
audit-until = Hasta la fecha
audit-when = Cuándo
audit-where = Desde dónde
audit-all = Todo
audit-filter = Mostrar
audit-none = No hay entradas aquí.
audit-more-to-search = No se encontró nada entre las entradas más recientes. Queda más por buscar: siga con las entradas anteriores.
audit-all-patients = Todos los pacientes
audit-system = Todos los pacientes y todos los demás registros
audit-named-patients = { $count ->
    [one] 1 paciente, nombrado en una entrada anterior sobre esta exportación
   *[other] { $count } pacientes, nombrados en entradas anteriores sobre esta exportación
}
audit-patient-note = Estas son las entradas sobre el historial del paciente, y las listas y búsquedas que lo mostraron. Las exportaciones de un grupo o de todos los pacientes no nombran a cada paciente, así que no están aquí.
audit-downloads = Mostrar las descargas de todas las exportaciones
audit-patient-wrong = { $part }: esto no es un identificador. Escriba el identificador del paciente, no el nombre.
audit-older = Entradas anteriores
audit-lines = Lo mismo en NDJSON
audit-actor-patient = Un paciente
audit-actor-staff = Alguien del personal
audit-actor-client = Una aplicación o un servicio
audit-actor-server = El servidor
audit-actor-unknown = Sin sesión
audit-action-sign-in = Inició sesión
audit-action-sign-in-failed = No pudo iniciar sesión
audit-action-sign-out = Cerró la sesión
audit-action-record-viewed = Vio un historial
audit-action-export-started = Inició una exportación
audit-action-choices-sent = Envió las elecciones
audit-action-download = Descargó un archivo
audit-action-approved = Aprobó una exportación
audit-action-rejected = Rechazó una exportación
audit-action-redacted = Dejó algo fuera
audit-action-attached = Adjuntó archivos
audit-action-detached = Quitó archivos adjuntos
audit-action-deleted = Borró una exportación
audit-action-restored = Deshizo un borrado
audit-action-consent-given = Permitió una aplicación
audit-action-consent-denied = No permitió una aplicación
audit-action-token-issued = Obtuvo un token
audit-action-token-refreshed = Renovó un token
audit-action-token-revoked = Revocó un token
audit-action-access-stopped = Retiró el acceso de una aplicación
audit-action-mail-sent = Envió un correo al paciente
audit-action-settings-changed = Cambió la configuración
audit-action-audit-read = Leyó el registro de auditoría
audit-action-access-refused = Se le negó el acceso por falta de un rol
audit-outcome-success = Hecho
audit-outcome-refused = Denegado
audit-outcome-failed = Falló

## Staff: one export

job-several = Varios pacientes
job-app = Aplicación
job-number = Número
job-asked = Pedida
job-due = Vence
job-due-left = { $date } ({ $days ->
    [one] falta 1 día
   *[other] faltan { $days } días
})
job-overdue = { $date } (vencido)
job-approve = Aprobar
job-reject = Rechazar
job-delete = Borrar esta exportación
job-percent = { $percent } % reunido
job-waiting = La exportación espera desde { $since } a un almacén que no responde.
job-rejected-why = Rechazada. El paciente lee: { $reason }
job-failed-why = Falló: { $reason }
job-decided-approved = Ya la aprobó { $who }: { $time }.
job-decided-rejected = Ya la rechazó { $who }: { $time }.
job-stale = Esta exportación cambió desde que usted abrió la página. Mírela de nuevo antes de decidir.
job-request = Solicitud
job-nothing-chosen-yet = El paciente aún no ha elegido. Antes no se reúne nada.
job-complete-record = Sin formulario: el historial completo, con todo lo privado.
job-nothing-chosen = No se eligió ninguna parte: solo se exportan el paciente, el equipo médico y los resultados que no son de laboratorio.
job-parts = Partes del historial
job-topics = Temas privados
job-in = Elegido
job-out = Fuera
job-words = Palabras del paciente: «{ $text }»
job-note = Nota: «{ $text }»
job-bulk = Exportación masiva, sin formulario: los historiales de { $whose }.
job-bulk-everyone = todos los pacientes
job-bulk-everything = todos los pacientes, y todo lo que no es de ninguno
job-bulk-group = los miembros de { $group }
job-group = Los historiales de los miembros de { $group }, tal como era el grupo al empezar la exportación.
job-bulk-patients = { $count ->
    [one] 1 paciente
   *[other] { $count } pacientes
}
job-bulk-types = Solo los tipos: { $list }.
job-bulk-since = Cambiado después de: { $list }.
job-bulk-until = Cambiado antes de: { $list }.
job-bulk-filters = Filtrado por _typeFilter: { $list }.
job-bulk-elements = Solo los elementos: { $list }.
job-bulk-scopes = Limitado por los permisos de la aplicación: { $list }.
job-bulk-tags = Solo con las etiquetas de seguridad: { $list }.
job-bulk-provenance-relevant = Provenance de los recursos exportados.
job-bulk-provenance-latest = La última Provenance de cada recurso exportado.
job-bulk-ignored = Se avisó al cliente: { $list }
job-ledger = Qué pasó con el historial
job-ledger-sum = { $read ->
    [one] 1 recurso leído
   *[other] { $read } recursos leídos
} = { $written } exportados + { $left } dejados fuera + { $withheld } retenidos + { $duplicates } unidos + { $failed } fallidos.
job-ledger-documents = { $found ->
    [one] 1 documento encontrado
   *[other] { $found } documentos encontrados
} = { $written } exportados + { $left } dejados fuera + { $withheld } retenidos + { $failed } fallidos.
job-ledger-made = { $count ->
    [one] La exportación creó 1 recurso.
   *[other] La exportación creó { $count } recursos.
}
job-ledger-problems = { $count ->
    [one] Hay 1 problema en los archivos de errores.
   *[other] Hay { $count } problemas en los archivos de errores.
}
job-ledger-partly = { $count ->
    [one] El historial de 1 paciente solo se pudo leer en parte.
   *[other] Los historiales de { $count } pacientes solo se pudieron leer en parte.
}
job-reason = Motivo
job-resources = Recursos
job-documents-count = Documentos
job-left-out-reason = Fuera: { $reason }
job-withheld-reason = Retenido: { $topic }
reason-type = tipo no pedido
reason-since = sin cambios desde entonces
reason-until = cambiado después
reason-filter = excluido por un filtro
reason-formGroup = parte no elegida
reason-dateRange = fuera de las fechas elegidas
reason-tag = sin etiqueta a la que el permiso da acceso
reason-scope = excluido por los permisos de la aplicación
reason-deleted = borrado
reason-provenance = Provenance no pedida
reason-document = documento de un recurso que no se exporta
reason-unreferenced = ningún recurso exportado lo menciona
reason-staff = dejado fuera por el personal
job-contents = Contenido
job-file = Archivo
job-download = Descargar
job-size = Tamaño
job-no-files = Aún no hay nada escrito.
job-no-files-failed = No hay archivos, porque la exportación falló.
job-no-files-rejected = No hay archivos: se borraron cuando se rechazó la exportación.
job-files-more = Más archivos
job-documents = Documentos
job-documents-of-record = Del historial
job-documents-attached = Adjuntados por el personal
job-document = Documento
job-opened = Abierto
job-not-opened = Sin abrir
job-opened-full = { $count ->
    [one] 1 documento está marcado como abierto
   *[other] { $count } documentos están marcados como abiertos
}, que es el máximo. Los documentos que se abran a partir de ahora no se marcan.
job-new-tab = (se abre en otra pestaña)
job-no-documents = No hay documentos.
inside-title = Documentos dentro de recursos
inside-lead = Estos documentos son parte de los recursos del historial, en cualquier lugar de ellos. No están en el número de documentos que nadie ha abierto.
inside-none = No se encontraron documentos aquí.
inside-resource = Recurso
inside-next = Seguir buscando
job-documents-more = Más documentos
job-attached-none = No hay nada adjunto.
job-remove = Quitar
job-attach = Adjuntar
job-attach-files = Archivos para adjuntar
job-attach-limits = Como máximo { $count ->
    [one] 1 archivo
   *[other] { $count } archivos
} a la vez, de { $size } cada uno.
job-attach-limits-all = Como máximo { $count ->
    [one] 1 archivo
   *[other] { $count } archivos
} a la vez, { $size } en total.
job-attach-too-large-all = Los archivos superan { $size } en total. Elija menos archivos, o más pequeños.
attach-refused = No se adjuntó nada. { $limits }
upload-title = Adjuntar un archivo más grande
upload-lead = Un archivo de hasta { $size } se puede enviar al almacén de este servidor. Usted lo confirma antes de que se adjunte.
upload-name = Nombre del archivo
upload-name-hint = Con su extensión, como “imagen.pdf”. El paciente ve este nombre.
upload-no-name = Escriba el nombre del archivo.
upload-send-title = Enviar { $name }
upload-file = Archivo que se envía
upload-file-hint = Como máximo { $size }. Envíelo en un plazo de { $minutes ->
    [one] 1 minuto
   *[other] { $minutes } minutos
}. Si después ve un error del almacén, el archivo es demasiado grande o se acabó el tiempo: vuelva atrás y empiece de nuevo.
upload-too-large = El archivo supera { $size }. Elija uno más pequeño.
upload-send = Enviar el archivo
upload-attach-title = ¿Adjuntar { $name }?
upload-arrived = El archivo llegó ({ $size }). Todavía no está adjunto.
upload-again = Enviar otro archivo
upload-over = Este archivo ya no está aquí, porque se acabó el tiempo. Empiece de nuevo.
attach-stale = Ahora no se adjuntó nada, porque esta exportación cambió desde que usted abrió la página. Puede que sus archivos ya estén adjuntos: mire la lista de documentos y adjunte lo que falte.
job-attach-too-large = Un archivo pasa de { $size }. Elija uno más pequeño.
job-attach-too-many = Elija como máximo { $count ->
    [one] 1 archivo
   *[other] { $count } archivos
}.
job-history = Cronología
job-when = Cuándo
job-who = Quién
job-what = Qué
event-asked-for-an-export = pidió una exportación
event-chose-what-to-export = eligió qué exportar
event-changed-what-to-export = cambió qué exportar
event-began-to-collect = empezó a reunir los datos
event-approved = aprobó
event-deleted = borró
event-deleted-by-the-client = la borró el cliente
event-undid-the-deletion = deshizo el borrado
actor-patient = el paciente
actor-link-holder = el paciente, por el enlace

## Staff: the contents of an export

rows-title = { $file }
rows-count = Recursos { $from } a { $to } de { $count }
rows-none = Aquí no hay nada. Quizá el archivo cambió: vuelva atrás y ábralo de nuevo.
rows-id = Id.
rows-date = Fecha
rows-text = Qué
rows-value = Valor
rows-status = Estado
rows-open = Abrir
rows-first = Primera página
rows-previous = Página anterior
rows-next = Página siguiente
rows-large = Grande: { $size }
resource-main = Campos principales
resource-all = Todos los campos
resource-field = Campo
resource-content = Contenido
resource-cut = El resto es demasiado largo para mostrarlo. El archivo lo tiene todo.
resource-json = JSON
back-to-export = Volver a la exportación
back-to-file = Volver al archivo

## Staff: leaving something out

leave-out = Dejar fuera
leave-out-title = ¿Dejar fuera { $what }?
leave-out-what = Sale de la copia. El paciente lee que se dejó fuera un elemento ({ $kind }), y su motivo.
leave-out-references = También se dejan fuera los documentos del historial que nombra. Otros recursos pueden aún mencionarlo o citarlo. Quedan como están.
leave-out-undo = Esto no se puede deshacer: habría que hacer la copia de nuevo.
leave-out-reason = Motivo, que lee el paciente
leave-out-reason-missing = Escriba un motivo.
leave-out-reason-long = Acorte el motivo: como máximo { $count ->
    [one] 1 letra
   *[other] { $count } letras
}.
leave-out-changed = No se excluyó nada: el archivo o el documento cambió desde que usted abrió la página. Ábralo de nuevo aquí. Su motivo era: { $reason }
leave-out-refused = No se excluyó nada. { $why } Su motivo era: { $reason }
leave-out-reason-room = Acorte el motivo: en esta exportación no caben tantas letras.
leave-out-not-notices = Las líneas de este archivo son avisos sobre la exportación. Se quedan.
leave-out-not-large = Este archivo tiene más de { $size }, así que aquí no se pueden dejar fuera recursos sueltos. Si uno no debe estar en la copia, rechace la exportación.
leave-out-not-document = Un archivo que nombra este documento tiene más de { $size }, así que aquí no se puede dejar fuera el documento. Si no debe estar en la copia, rechace la exportación.
leave-out-not-files = Esta exportación tiene demasiados archivos, así que aquí no se puede dejar nada fuera. Si algo no debe estar en la copia, rechace la exportación.
leave-out-not-documents = Este recurso nombra más documentos de los que aún se pueden dejar fuera de esta exportación. Si no debe estar en la copia, rechace la exportación.
leave-out-not-full = No se puede dejar fuera nada más de esta exportación: la lista de motivos está llena. Si algo más no debe estar en la copia, rechace la exportación.
leave-out-done = Dejado fuera por el personal
document-word = documento

## Staff: decisions

job-approve-title = ¿Aprobar esta exportación?
reject-title = ¿Rechazar esta exportación?
delete-title = ¿Borrar esta exportación?
decide-patient = De quién es el historial
decide-receiver = Quién la recibe
decide-what = Qué
decide-contents = { $resources ->
    [one] 1 recurso
   *[other] { $resources } recursos
} en { $files ->
    [one] 1 archivo
   *[other] { $files } archivos
} ({ $size }), { $documents ->
    [one] 1 documento
   *[other] { $documents } documentos
}
decide-contents-uncounted = { $resources ->
    [one] 1 recurso
   *[other] { $resources } recursos
} en { $files ->
    [one] 1 archivo
   *[other] { $files } archivos
} ({ $size }); documentos: sin contar
decide-left-out = Dejado fuera por usted y sus colegas
decide-not-opened = Documentos sin abrir
decide-review-first = Nadie ha abierto { $count ->
    [one] 1 documento
   *[other] { $count } documentos
} de esta exportación.
decide-not-counted = sin contar
decide-too-many = Los documentos no se cuentan, porque la exportación es de demasiados pacientes. La página de la exportación los enumera y dice cuáles no ha abierto nadie.
approve-permission-ended = El permiso del paciente para los temas privados terminó. Rechace la exportación, para que el paciente pueda pedirla otra vez.
job-approve-after = La aplicación puede cargar la copia de inmediato.
job-approve-after-here = La copia se puede descargar de inmediato en las páginas de este servidor.
reject-because = ¿Por qué? El paciente lee el motivo.
reject-identity = No podemos confirmar quién hizo la solicitud.
reject-twice = Usted pidió esta copia dos veces. Trabajamos en la otra solicitud.
reject-person = El historial tiene información sobre otra persona que no podemos dar.
reject-harm = Un profesional cree que esta copia podría causar un daño grave. Usted puede pedir que otro profesional la revise.
reject-other = Otro motivo
reject-more = En sus palabras (necesario si es otro motivo)
reject-missing = Elija un motivo.
reject-missing-words = Escriba el motivo o elija otro.
delete-after = Su aplicación recibe «no encontrado» de inmediato.
delete-after-here = Ya nadie podrá descargar la copia.
delete-undo = Puede deshacerlo hasta: { $time }. Después se borran sus archivos.
delete-no-undo = Esto no se puede deshacer.
delete-yes = Borrar
deleted-title = Esta exportación fue borrada
deleted-by = La borró { $who }: { $time }. Su aplicación recibe «no encontrado».
deleted-by-here = La borró { $who }: { $time }. Nadie puede descargar la copia.
deleted-until = Se puede recuperar hasta: { $time }. Después se borran sus archivos.
deleted-taken-back = El borrado no se puede deshacer: el paciente retiró el permiso: { $time }. Los archivos se borraron.
deleted-for-good = El borrado no se puede deshacer: el paciente borró la copia definitivamente: { $time }. Los archivos se borraron.
deleted-by-app = El borrado no se puede deshacer: la aplicación también borró la exportación: { $time }. Los archivos se borraron.
deleted-final = El borrado no se puede deshacer.
deleted-undo = Deshacer el borrado
deleted-undo-ended = El borrado no se deshizo: el paciente o la aplicación terminó el plazo para ello.
ended-title = Esta exportación ya no está
ended-lead = Ya nadie puede ver ni descargar su contenido.
ended-cancelled = La canceló o borró { $who }: { $time }.
ended-cancelled-by-patient = La canceló o borró el paciente: { $time }.
ended-gave-way = Nadie llenó su formulario, y la aplicación pidió otra exportación: { $time }.
ended-taken-back = El paciente retiró su permiso: { $time }.
ended-expired = Terminó el plazo durante el que se guardan las exportaciones. El servidor la borró: { $time }.
ended-expires = El plazo durante el que se guardan las exportaciones terminó: { $time }.

## The staff's queue

queue-title = Exportaciones
queue-tabs = Exportaciones por estado
tab-review = Por revisar
tab-collecting = Reuniendo datos
tab-waiting = En espera
tab-ready = Listas
tab-all = Todas
tab-deleted = Borradas
staff-state-awaiting-input = Espera al paciente
staff-state-queued = Reuniendo datos
staff-state-running = Reuniendo datos
staff-state-in-review = Por revisar
staff-state-complete = Lista
staff-state-rejected = Rechazada
staff-state-failed = Falló
staff-state-cancelled = Cancelada
staff-state-expired = Vencida
queue-search = Buscar
queue-search-hint = Nombre, fecha de nacimiento, número de historia o identificador del paciente
queue-app = Aplicación
queue-app-all = Todas las aplicaciones
queue-receiver = para { $receiver }
own-pages = el paciente, en sus propias páginas
queue-from = Pedida desde
queue-to = Pedida hasta
queue-show = Mostrar
queue-patient = Paciente
queue-born = Nacimiento
queue-identifiers = Números
queue-state = Estado
queue-asked = Pedida
queue-due = Plazo
queue-everyone = Todos los pacientes
queue-group = Grupo { $group }
queue-patients = { $count ->
    [one] 1 paciente
   *[other] { $count } pacientes
}
record-number = N.º de historia { $number }
due-left = { $count ->
    [0] El plazo vence hoy
    [one] Queda 1 día
   *[other] Quedan { $count } días
}
due-over = Plazo vencido
queue-nothing-review = No hay nada por revisar.
queue-nothing = Aquí no hay exportaciones.
queue-nothing-deleted = No hay ninguna exportación borrada que se pueda recuperar.
queue-deleted-until = Borrada. Se puede deshacer hasta: { $time }.
queue-nothing-found = No se encontró nada aquí. Revise la búsqueda o mire en otra pestaña.
queue-more-to-search = Todavía no se encontró nada. Queda más por buscar: vaya a la página siguiente.
queue-everywhere = Buscar en todas las exportaciones
queue-tick = Marcar a { $patient }
queue-approve = Aprobar lo marcado
queue-approve-count = Aprobar { $count }
queue-pages = Páginas
queue-first = Primera página
queue-next = Página siguiente

## Approving several exports

several-title = { $count ->
    [0] No hay nada que aprobar
    [one] ¿Aprobar 1 exportación?
   *[other] ¿Aprobar { $count } exportaciones?
}
several-none = Marque al menos una exportación por revisar. Luego pulse el botón debajo de la lista.
several-lead = Cada copia se podrá cargar enseguida. No se puede deshacer.
several-born = Nacimiento: { $date }
several-receiver = va a { $app }
several-not = No aprobar
several-refused = No se pueden aprobar
several-gone = Esta exportación ya no está.
several-changed = Alguien la cambió después de que usted la vio. Ábrala y mírela otra vez.
several-failed = No se pudo aprobar ahora. Ábrala e intente de nuevo.
several-other-state = Su estado ahora es "{ $state }".
several-already = Ya la aprobó { $who } el { $time }.
several-done-title = { $count ->
    [0] No se aprobó nada
    [one] Se aprobó 1 exportación
   *[other] Se aprobaron { $count } exportaciones
}
several-back = Volver a las exportaciones

## La configuración

settings-title = Configuración
settings-lead = El archivo de configuración y el entorno del servidor dicen lo que hay aquí. Esta página no cambia nada.
settings-address = Dirección pública
settings-review = El personal revisa cada copia
settings-sandbox = Cualquiera puede elegir cualquier paciente (pruebas)
settings-unfinished = Las exportaciones sin terminar se guardan
settings-audit = El registro de auditoría se guarda
settings-digest = Resumen de toda la configuración
settings-days = { $days ->
    [one] 1 día
   *[other] { $days } días
}
settings-yes = Activado
settings-no = Desactivado
settings-staff = Quién puede hacer qué
role-reviewer = Quien revisa
role-administrator = Quien administra
role-auditor = Quien audita

## Exports that staff start

queue-staff = Personal
patients-title = Pacientes
patients-typed = Nombre, fecha de nacimiento, número o identificador
patients-typed-hint = Basta el principio de cada palabra. Todas las palabras deben coincidir.
patients-no-index = El archivo de historiales aún no tiene índice de pacientes, así que solo se encuentra un identificador completo. La orden «ehi index» hace el índice: pídalo a quien administra este servidor.
patients-index-damaged = No se puede leer el índice de pacientes, así que solo se encuentra un identificador completo. La orden «ehi index» hace uno nuevo: pídalo a quien administra este servidor.
patients-left-out = { $count ->
    [one] Un paciente no se muestra: su historial se quitó o cambió después del índice del { $date }.
   *[other] { $count } pacientes no se muestran: sus historiales se quitaron o cambiaron después del índice del { $date }.
}
patients-unread = { $count ->
    [one] Un paciente no se muestra, porque su historial no se puede leer ahora.
   *[other] { $count } pacientes no se muestran, porque sus historiales no se pueden leer ahora.
}
patients-more-to-search = La búsqueda aún no ha mirado a todos. Vaya a la página siguiente o escriba más.
patients-restarted = El índice se renovó entretanto, así que la lista cambió. Empieza de nuevo por el principio.
patients-index-earlier = Una versión anterior del programa hizo el índice: encuentra solo en parte los nombres que se escriben juntos o separados, otras grafías, y a los pacientes con más de 8 identificadores. La orden «ehi index» hace uno nuevo: pídalo a quien administra este servidor.
patients-index-of = El índice está completo hasta el { $date }. Puede no encontrarse a quien se añadió, o cuyo historial cambió, después.
patients-nothing-typed = Escriba una letra o una cifra.
patients-replaced = Sustituido por { $id }
patients-start-of = Iniciar exportación de { $patient }
patients-search = Buscar
patients-sex = Sexo
patients-last = Última exportación
patients-none = Ninguna
patients-nobody = No se encontró a nadie. Revise la ortografía.
patients-nobody-else = No se encuentra a nadie más.
sex-female = Femenino
sex-male = Masculino
sex-other = Otro
sex-unknown = Desconocido
groups-title = Grupos
groups-none = El archivo de historiales no tiene grupos.
groups-group = Grupo
groups-id = Identificador del grupo
groups-count = Miembros
groups-members = { $count ->
    [one] Se exporta el historial de hasta 1 paciente: el miembro activo del grupo, y de los grupos que contiene. Si el archivo de historiales no tiene al paciente, la exportación lo dice.
   *[other] Se exportan los historiales de hasta { $count } pacientes: los miembros activos del grupo, y de los grupos que contiene. La exportación nombra a quienes no están en el archivo de historiales.
}
groups-others = { $count ->
    [one] Un miembro no se puede exportar, porque no es paciente de este servidor. La exportación lo nombra.
   *[other] { $count } miembros no se pueden exportar, porque no son pacientes de este servidor. La exportación los nombra.
}
groups-unread = { $count ->
    [one] No se exportan todos los miembros de un grupo: falta, no se puede leer o no enumera a todos sus miembros. La exportación lo nombra.
   *[other] No se exportan todos los miembros de { $count } grupos: faltan, no se pueden leer o no enumeran a todos sus miembros. La exportación los nombra.
}
groups-changed = El grupo cambió desde que abrió esta página. Mire a quién tiene ahora y luego inicie la exportación.
groups-without-list = Este grupo no se puede exportar. Define a sus miembros por criterios en lugar de enumerarlos, o tiene una extensión que puede cambiar quién es miembro. Pida un grupo que enumere a sus miembros.
groups-too-large = Este grupo es demasiado grande para una página: tiene más de 32 MB o de 400,000 miembros, con los grupos que contiene. Un cliente registrado puede exportarlo: $export de Group/{ $id }. O pida grupos más pequeños.
groups-more-than = Más de { $count }
start-title = Iniciar exportación
start-receiver = ¿Quién recibe la copia?
start-receiver-hint = Por ejemplo: el paciente, o una persona que puede actuar por el paciente.
start-reason = ¿Por qué se hace?
start-reason-hint = Queda en la historia de la exportación.
start-parts = Partes del historial
start-days = Días
start-days-hint = Sin días: todo.
start-topics-hint = Si no marca un tema, queda fuera. Marque solo lo que el paciente permite.
start-no-receiver = Diga quién recibe la copia.
start-no-reason = Diga por qué se hace la exportación.
start-too-long = Use como máximo { $limit } letras, en una línea.
start-before = Esta exportación ya se inició, con otras opciones:
start-before-link = ver la exportación
start-before-do = Para iniciar otra exportación con las opciones de abajo, pulse el botón de nuevo.

## Mails to patients

mail-subject = Sobre su solicitud
mail-received = Tenemos su solicitud. Véala: { $link }
mail-received-app = Tenemos su solicitud. Véala en su aplicación.
mail-not-you = ¿No fue usted? Llame al { $phone }.
mail-ready = Su copia está lista. Inicie sesión antes del { $date }: { $link }
mail-ready-app = Su copia está lista. Abra su aplicación antes del { $date }.
mail-message = Hay un mensaje sobre su solicitud. Inicie sesión para leerlo: { $link }
mail-message-app = Hay un mensaje sobre su solicitud. Abra su aplicación para leerlo.
