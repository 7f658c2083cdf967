# Все слова, которые видит человек. Язык — это файл: ещё один .ftl в этой папке предлагается сам.


## Frame

skip-to-main = К основному
nav-sections = Разделы
nav-desk = Стол
nav-floor = Зал
nav-queue = Очередь
nav-lines = Линии
nav-unknown = Без конца
nav-search = Поиск
nav-case = Дело
search-case = Дело, договор, телефон, имя
language = Язык
theme = Светлая или тёмная тема
extension = тел. { $n }
log-out = Выйти
live-on = На связи
live-connecting = Подключаемся
live-restored = Связь восстановлена, $ с
offline-desk = Связи с сервером нет. Разговор продолжается, заметка сохраняется на этом компьютере. Подключаемся снова; последние данные в
offline-page = Связи с сервером нет. Подключаемся снова; данные на
try-now = Попробовать сейчас
request-failed = Не получилось. Проверьте связь и повторите.
close = Закрыть
cancel = Отменить
reason = Причина
to-start = В начало
today = Сегодня
hours-minutes = { $hours } ч { $minutes } мин
minutes = { $n } мин
days = { $n ->
        [one] { $n } день
        [few] { $n } дня
       *[many] { $n } дней
    }
until-date = до { $date }
until-time = можно до { $time }
control-on = контроль { $date }

## Login

product-line = Контакт-центр · взыскание
login-title = Вход
login-name = Логин
login-password = Пароль
login-caps = Включён Caps Lock
login-phone = Телефон на сегодня
login-phone-hint = Для телефона в браузере разрешите микрофон на следующем шаге
login-button = Войти
login-failed = Логин или пароль не подходит. После 5 неудачных попыток вход закрыт на 15 минут; раньше его откроет администратор.
login-expired = Сеанс завершён. Войдите снова: дело и черновик на месте.
login-journal = Входы, просмотры дел и прослушивания записываются в журнал. После 5 неудачных попыток вход закрыт на 15 минут.
phone-browser = В браузере
phone-desk = Настольный
health-database = База
health-database-away = База не отвечает
health-redis = Новости
health-redis-away = Новости не приходят
health-telephony = Телефония
health-telephony-away = Телефония не отвечает
health-stopped = Набор остановлен

## Roles

role-agent = агент
role-supervisor = супервайзер
role-manager = руководитель
role-admin = администратор

## States of agents and calls

agent-state-READY = Готовность
agent-state-RESERVED = Набор
agent-state-TALKING = Разговор
agent-state-WRAP_UP = Завершение
agent-state-PAUSED = Пауза
agent-state-UNREACHABLE = Нет связи
agent-state-OFF = Не на смене
agent-connecting = Соединяем линию
paused = Пауза: { $reason }
pause-LOGIN = Начало смены
pause-BREAK = Перерыв
pause-LUNCH = Обед
pause-TRAINING = Обучение
pause-TECHNICAL = Техническая
pause-PHONE_HUNG_UP = Трубка положена
pause-LINE_LOST = Линия потеряна
pause-NO_DISPOSITION = Без результата
call-state-INTENT = Набор
call-state-RINGING = Звонит
call-state-ANSWERED = Ответил
call-state-CONNECTED = Разговор
call-state-SETTLING = Выясняем
call-state-ENDED = Завершён
task-state-ELIGIBLE = В очереди
task-state-DIALING = Набираем
task-state-SETTLING = Выясняем
task-state-RETRY_WAIT = Повтор позже
task-state-DONE = Выполнено
task-state-EXHAUSTED = Попытки исчерпаны
task-state-CANCELLED = Отменено
task-state-UNKNOWN = Неизвестно

## Telephony results (domain 2.3)

result-ANSWERED_HUMAN = Ответил человек
result-ANSWERED_MACHINE = Автоответчик
result-ANNOUNCEMENT = Объявление сети
result-FAX = Факс
result-NO_ANSWER = Нет ответа
result-BUSY = Занято
result-CONGESTION = Перегрузка сети
result-INVALID_NUMBER = Номер недействителен
result-REJECTED = Отклонён
result-ABANDONED = Потерян
result-SILENT = Тишина
result-FAILED = Сбой
result-UNKNOWN = Неизвестно
result-CANCELLED = Отменён

## Outcomes of talks (domain 2.3)

outcome-PTP_FULL = Обещание оплаты полностью
outcome-PTP_PART = Обещание оплаты частично
outcome-PAID_CLAIM = Заявляет, что оплатил
outcome-CALLBACK = Просит перезвонить
outcome-PLAN_REQ = Просит реструктуризацию
outcome-HARDSHIP = Трудная жизненная ситуация
outcome-REFUSE = Отказ платить
outcome-DISPUTE = Оспаривает долг
outcome-LEFT_MSG_3P = Через третье лицо, без сведений о долге
outcome-WRONG_PERSON = Не тот человек
outcome-WRONG_NUMBER = Номер чужой
outcome-DECEASED = Умер, со слов
outcome-BANKRUPT = Банкрот, со слов
outcome-INCAPACITY = Недееспособность, со слов
outcome-HOSPITAL = В стационаре, со слов
outcome-MILITARY = Военнослужащий, со слов
outcome-CEASE = Отказ от взаимодействия
outcome-REP_ONLY = Только через представителя
outcome-LANG = Другой язык
outcome-HANGUP = Бросил трубку
outcome-ABUSE = Оскорбления
outcome-VOICEMAIL_LIMITED = Автоответчик
outcome-NO_CONTACT = Контакта нет
outcome-NO_DISPOSITION = Результат не указан

## Why a case is not called (domain 2.3)

reason-CLOSED = Дело закрыто
reason-STOP_LIST = Стоп-список
reason-ON_HOLD = Взыскание приостановлено
reason-STATUS_BLOCK = Защищённая категория
reason-NOT_DUE = Ещё не время
reason-PROMISE_OPEN = Открытое обещание
reason-NO_PHONE = Номер недействителен или отсутствует
reason-NO_TIME_ZONE = Часовой пояс неизвестен
reason-NO_RULE = Нет разрешающего правила
reason-CAP_REACHED = Лимит взаимодействий исчерпан
reason-COOLDOWN = Пауза после разговора
reason-RETRY_WAIT = Ждём повтора
reason-EXHAUSTED = Попытки исчерпаны
reason-OUT_OF_HOURS = Вне разрешённых часов
reason-DAY_OVER = День прошёл
reason-DEMO_ON_REAL_TRUNK = Демо не звонит наружу
why-CALL_BACK = Просил перезвонить
why-BROKEN_PROMISE = Нарушенное обещание
why-VALUE = По ожидаемой сумме
why-times = ×{ $n } от типичной

## Cases, stages, flags, phones, promises, tasks

case-state-NEW = Новое
case-state-ACTIVE = Активное
case-state-PROMISED = Обещание
case-state-PLAN = План
case-state-ON_HOLD = На паузе
case-state-TRANSFERRED_SECURITY = В службе безопасности
case-state-PRE_LEGAL = Досудебное
case-state-LEGAL = Суд
case-state-ENFORCEMENT = Исполнительное производство
case-state-PLACED = В агентстве
case-state-CURED = Вылеченное
case-state-PAID_OFF = Погашенное
case-state-WRITTEN_OFF = Списанное
case-state-RECOVERY = Возврат списанного
case-state-SOLD = Уступленное
case-state-CLOSED = Закрытое
stage-0 = До просрочки
stage-1 = Раннее мягкое 1–30
stage-2 = Позднее мягкое 31–60
stage-3 = Жёсткое 61–90
stage-4 = Досудебное 91–180
stage-5 = Суд
stage-6 = Исполнительное производство
stage-7 = Списано
stage-8 = Агентство
stage-9 = Продано
flag-bankrupt = Банкрот
flag-incapacitated = Недееспособность
flag-inpatient = В стационаре
flag-minor = Несовершеннолетний
flag-disability_group_1 = Инвалидность I группы
flag-protected_military = Военнослужащий
flag-close_to_protected = Близкий защищённого
flag-deceased = Смерть
flag-vulnerable = Трудная ситуация
flag-representative_only = Только представитель
flag-refused_interaction = Отказ от взаимодействия
flag-breathing_space = Передышка
flag-breathing_space_mh = Передышка по здоровью
owner-self = Личный
owner-work = Рабочий
owner-relative = Родственника
owner-third_party = Третьего лица
owner-unknown = Неизвестно чей
phone-state-UNVERIFIED = Не проверен
phone-state-VERIFIED = Проверен
phone-state-SUSPECT = Сомнителен
phone-state-DEAD = Недействителен
phone-state-UNREACHABLE = Недосягаем
phone-state-WRONG_PARTY = Чужой
promise-OPEN = Открыто
promise-PARTIAL = Частично
promise-KEPT = Выполнено
promise-BROKEN = Нарушено
promise-CANCELLED = Отменено
task-CHECK_PROMISE = Проверить оплату по обещанию
task-CHECK_POSTING = Проверить зачисление
task-CALLBACK = Перезвонить
task-FOLLOW_UP = Вернуться к обещанию
task-SPECIALIST = Передать специалисту
task-NEXT_STAGE = Перевести на следующий этап
task-DISPUTE = Рассмотреть спор
task-REFRESH_CONTACT_DATA = Обновить контактные данные
task-CHECK_NUMBER = Проверить номер: у другого заёмщика он неверный
task-EVIDENCE = Получить подтверждение
task-STOP_REQUEST = Оформить отказ от взаимодействия
recording-EXPECTED = запись готовится
recording-MISSING = записи нет
speech-uk = украинский
speech-ru = русский
speech-en = английский
campaign-collection = Взыскание
mode-progressive = прогрессивный набор
event-call = Звонок
event-outcome = Результат разговора
event-wrap_over = Время на результат вышло
event-settled = Итог звонка указал человек
event-promise = Обещание
event-task = Задача
event-flag = Статус лица
event-note = Заметка
event-stage = Этап
event-state = Состояние дела
event-import = Импорт

## Desk: call bar

bar-label = Состояние и звонок
bar-mic = Микрофон
bar-recording = запись
bar-hang-up = Завершить
bar-pause = Пауза
bar-pause-choose = Выбрать причину паузы
bar-pause-reason = Причина паузы
bar-pause-later = Пауза потом
bar-pause-after = потом пауза: { $reason }
bar-pause-after-title = Пауза после этого разговора
bar-pause-cancel = Отменить паузу после разговора
bar-pause-after-save = Пауза после записи
bar-talked = разговор { $time }
bar-wrap-meter = Сколько осталось на результат
bar-wrap-left = на результат { $limit } с, дальше его допишет супервайзер, а звонков не будет
bar-waiting = Ждём звонка
bar-stopped = Набор остановлен
bar-stopped-hint = Звонки пойдут, когда супервайзер снимет остановку
bar-line-connecting = Соединяем вашу линию
bar-line-browser = Телефон в браузере ответит сам
bar-line-desk = Снимите трубку: телефон звонит один раз за смену
bar-line-lost = Линия к вашему телефону потеряна. Проверьте телефон и станьте в готовность.
bar-unreachable = Телефон не отвечает
bar-paused = Звонков нет, пока вы на паузе
bar-paused-hint = F2 или кнопка — и звонки пойдут
bar-no-disposition = Результат не указан вовремя: дело допишет супервайзер
bar-ready = Готовность
no-extension = У вас нет внутреннего номера
no-extension-remedy = Попросите администратора: без него звонки не приходят
phone-desk-line = настольный, { $n }
phone-registered = телефон подключён
phone-connecting = телефон подключается
phone-off = Телефония не отвечает: подключаемся снова
phone-no-mic = Нет микрофона: подключите гарнитуру и разрешите микрофон в браузере
phone-insecure = Браузер даёт микрофон только по https или на этом же компьютере
phone-refused = Телефония отклонила ваш номер: позовите администратора
mic-lost = Микрофон отключён. Собеседник вас не слышит.
leave-in-call = Идёт разговор
second-tab-title = Стол открыт в другой вкладке
second-tab-text = Телефон и звонки живут только в одной вкладке. Можно перенести их сюда.
second-tab-take = Перенести сюда
second-tab-taken = телефон в другой вкладке

## Desk: ready

my-day = Мой день
fig-talks = разговоров с людьми
fig-rpc = контактов с должником
fig-promises = обещаний
fig-promised = обещано сегодня
fig-talk-mean = средний разговор
fig-wrap-mean = среднее завершение
time-in-states = Время по состояниям, { $total }
my-callbacks = Мои перезвоны
persons-time = время человека
no-callbacks = Перезвонов на сегодня нет
no-callbacks-hint = Договорённые звонки появятся здесь в свой день; наберёт их система.
promises-due = Обещания на сегодня
no-promises-due = Обещаний на сегодня нет
no-promises-due-hint = Здесь будет видно, кто из ваших должников должен заплатить сегодня.
my-calls = Последние мои звонки
no-calls-yet = Звонков ещё не было
no-calls-yet-hint = Появятся после первого разговора.
col-when = Когда
col-borrower = Должник
col-place = Место
col-language = Язык

## Desk: card

pane-card = Карточка
pane-talk = Разговор
pane-result = Результат
borrower = Заёмщик
ask-for = Спросите
confirmed = Личность подтверждена
not-confirmed = Не подтверждено
local-time = Там сейчас
number = Номер
contacts = Контакты
contacts-of = { $used } из { $max }
contacts-used = сегодня { $used }
overdue = Просрочено
principal = Основной долг
interest = Проценты
penalty = Пеня
whole-debt = Весь долг
next-payment = Следующий платёж
contract = Договор
promises = Обещания
kept = выполнено
broken = нарушено
last-promise = Последнее: { $amount } до { $date }
no-promises = Обещаний ещё не было
balance-old = Данные банка от { $time } устарели, поэтому суммы скрыты. Не называйте их, предложите проверить в приложении
hidden-title = Скрыто до подтверждения
hidden-sum = Сумма долга
hidden-days = Дни просрочки
hidden-loans = Другие кредиты
hidden-why = Данные ещё не переданы в браузер. Третьему лицу не говорите ни о долге, ни о банке-кредиторе сверх названия.
tab-script = Скрипт
tab-history = История
step-identity = Шаг 1 из 2 · личность
step-agreement = Шаг 2 из 2 · договорённость
identity-title = Проверка личности: нужны { $needed } совпадения из 3
identity-misses = несовпадений { $n } из 3
identity-matches = совпадений { $n } из { $needed } нужных
identity-birth_date = Дата рождения
identity-birth_date-hint = 14.03.1985
identity-tax_id_last4 = 4 цифры РНОКПП
identity-tax_id_last4-hint = последние 4
identity-code_word = Кодовое слово
identity-code_word-hint = со слов клиента
identity-check = Сверить: { $field }
identity-match = Совпадает
identity-no-match = Не совпадает
identity-not-asked = Не спрашивали
identity-locked = Три ответа не совпали: проверка на этот звонок закрыта. О долге не говорите ничего; выберите результат справа.
third-party-title = Если отвечает другой человек
third-party-rule = Больше ничего: ни долг, ни сумму, ни причину.
if-says = Если говорит
says-whole = Не могу всю сумму
says-whole-do = Сколько и когда? Результат «Обещание частично»
says-salary = Задержали зарплату
says-salary-do = Когда поступление? Обещание — до 30 дней
says-paid = Уже оплачено
says-paid-do = Дата, сумма, способ — в заметку; «Заявляет, что оплатил»
says-dispute = Не согласен с суммой
says-dispute-do = «Оспаривает долг»: взыскание встаёт на паузу, спор рассмотрят
says-hardship = Потерял работу, болею
says-hardship-do = «Трудная жизненная ситуация»: передадим специалисту
must-say = Скажите обязательно
must-basis = Основание долга и договор
must-amount = Размер долга, отдельно пеня
must-plan = Право на реструктуризацию
must-how = Как и куда платить
script-greeting = Добрый день! Меня зовут { $agent }, { $bank }, адрес: { $address }.
script-ask = Скажите, пожалуйста, вы —
script-third-party = «Передайте, пожалуйста, что звонили: { $agent }, и попросите перезвонить на { $phone }».
script-debt = { $name }, по вашему договору есть просрочка: { $days ->
        [one] { $days } день
        [few] { $days } дня
       *[many] { $days } дней
    }. К оплате сейчас { $amount }. Когда вы сможете внести эту сумму?
script-debt-old = { $name }, по вашему договору есть просрочка. Точная сумма видна в приложении банка. Когда вы сможете её внести?
no-history = Истории ещё нет
no-history-hint = Звонки, обещания и задачи появятся здесь.

## Desk: last contacts

last-contacts = Последние события

## Desk: result

code-or-digit = код или цифра
result-code = Код результата
other-results = Другие результаты ({ $n })
more-after-confirmation = Остальные результаты — после подтверждения личности
field-amount = Сумма
field-amount-hint = 18 462,75
field-due_date = До даты
field-due_date-hint = 25.11, 2511 или +3
field-call_back_at = Когда перезвонить, время человека
field-call_back_at-hint = 25.11 14:30 или 14:30
input-amount-unreadable = Это не сумма. Напишите, например, 1500,00
input-amount-BAD_INPUT = Укажите сумму: больше нуля и не больше просроченного
input-due_date-unreadable = Это не дата. Напишите 25.11, 2511 или +3
input-due_date-BAD_INPUT = Укажите день от сегодня до 30 дней вперёд
input-call_back_at-unreadable = Это не время. Напишите 25.11 14:30 или 14:30
input-call_back_at-BAD_INPUT = Укажите время в будущем
input-outcome-BAD_INPUT = Выберите результат из списка
input-outcome-OUTCOME_NEEDS_CONFIRMATION = Сначала подтвердите личность: этот результат означает разговор с должником
note = Заметка
note-hint = Сохраняется при наборе
draft-saved = черновик сохранён
draft-local = черновик на этом компьютере
next-choose = Выберите результат, здесь станет виден следующий шаг
next-step = Дальше: { $task }, { $date }
next-state = состояние «{ $state }»
next-nothing = Дальше: повтор по правилам набора
no-result-no-call = Без результата следующего звонка не будет
save-after-talk = Сохранить после разговора
save-and-next = Сохранить и дальше
save-and-pause = Сохранить и на паузу
result-is-saved = Результат сохранён
saved-result = Сохранено: { $result }
saved-promise = Обещание сохранено: { $amount } до { $date }

## History and case

hist-call = Исходящий звонок — { $result }
hist-outcome = Результат: { $outcome }
hist-settled = Чем кончился звонок: { $result }
hist-task = Задача: { $task }
hist-flag = Статус: { $flag }
hist-stage = Этап: { $to }
hist-promise = Обещание: { $state }
hist-state = Состояние дела: { $to }
hist-abandoned = потерян: агента не было
listen = Слушать
recording-of = Запись звонка { $time }
listening-noted = Прослушивание записывается в журнал. Слева агент, справа должник.
case-title = Дело { $number }
case-owner = ведёт { $name }
case-overdue = просрочено
case-days = { $n ->
        [one] день просрочки
        [few] дня просрочки
       *[many] дней просрочки
    }
case-debt = весь долг
case-side = Шаги, телефоны, обещания, кредиты
timeline = Лента
older = Более ранние
to-newest = К последним
complete-title = Дописать результат
complete-why = { $agent } не указал результат разговора { $time }. Прослушайте запись и выберите его; до этого никто не звонит
complete-not-confirmed = Личность в разговоре не подтверждена, поэтому результатов, означающих разговор с заёмщиком, здесь нет.
complete-result = Результат разговора
complete-save = Сохранить результат
next-steps = Следующие шаги
no-tasks = Открытых задач нет
phones = Телефоны
no-phones = Номеров нет
kept-of = выполнено { $kept } из { $n }
loans = Кредиты
no-loans = Кредитов нет
as-at = на { $time }
col-days = Дней

## Floor

strip-label = Сводка
strip-talking = разговор
strip-ready = готовы
strip-connecting = соединяем
strip-wrap = завершение
strip-paused = пауза
strip-lost = нет связи
strip-dialing = в наборе
strip-promises = Обещаний
camp-ready = готовы
camp-talking = разговор
camp-dialing = в наборе
camp-waiting = ждут
camp-left = осталось
camp-abandoned = Счёт потерянных
camp-abandoned-meter = Потеряно { $percent }, предел 3 %
of-answered = из { $n ->
        [one] { $n } ответа
        [few] { $n } ответов
       *[many] { $n } ответов
    }
of-answers = { $rpc } из { $n } ответов
fig-dialed = попыток
fig-answered = ответили
fig-connected = соединено
fig-rpc-short = должник
fig-promises-short = обещаний
fig-rpc-rate = Должник среди ответов
agents = Агенты
sort = Порядок
sort-state = по состоянию
sort-name = по имени
col-agent = Агент
col-state = Состояние
col-time = Время
no-agents = На смене ещё никого нет
no-agents-hint = Агенты появятся здесь, как только войдут.
live-calls = Звонки сейчас
no-live-calls = Звонков нет
no-live-calls-hint = Появятся, когда есть свободные агенты и очередь.
no-live-calls-stopped = Набор остановлен.
not-callable = Нельзя звонить
of-cases = из { $n } дел
no-reasons = Очередь ещё не построена
lines = Линии
lines-used = { $n } занято
lines-of = { $used } из { $n }
stop-dialing = Остановить набор
stop-question = Остановить набор во всех кампаниях?
stop-counts = Новых звонков не будет. В наборе сейчас: { $lines }. Разговоров, которые продолжатся: { $talks }. Возобновить может человек, указав причину.
stop-done = Набор остановлен
stop-done-database-away = Набор остановлен. База не отвечает: запись в журнале появится позже.
stop-lifted = Остановка снята, набор продолжается
no-result-title = Разговоров без результата: { $n }
no-result-do = допишите в деле; до этого туда никто не звонит
stopped-title = Набор остановлен
stopped-chip = остановлено
stopped-by = { $name }, { $time }
stopped-by-file = Файл STOP в папке данных
lift-stop = Снять остановку
lift-question = Снять остановку набора?
lift-text = Звонки пойдут сразу. В журнале будет ваше имя: { $name }.
lift-reason = Почему набор можно продолжить

## Queue

queue-title = Очередь на { $date }
queue-hint = ночная проверка повторяется в миг набора
queue-total = в очереди
queue-left = осталось
queue-refused = нельзя
queue-list = Очередь по порядку
queue-none = Здесь пусто
queue-none-hint = Очередь на сегодня ещё не построена. Её строит ночь или команда backoffice nightly.
queue-none-here = По этому условию дел нет.
why-not = Почему не звоним
all-callable = Всё, что можно звонить
all-refused = Всё, что нельзя
why-order = Почему именно здесь
col-attempts = Попыток
col-earliest = Не раньше
col-rule = Правило
col-until = Можно с
until-person = когда решит человек
rows-shown = показано { $n }
to-first = В начало
next-page = Дальше

## Ledger and leases
unknown-title = Звонки с неизвестным концом
unknown-alarm = Звонков, конца которых никто не слышал: { $n }
unknown-hint = Считаются контактом и сами не набираются; скажите, чем каждый закончился
unknown-left = ждут
unknown-none = Таких звонков нет
unknown-evidence = Что известно
unknown-settle = Указать
unknown-noted = Принято
unknown-saved = Записано
evidence-nothing = Ничего не слышали
evidence-rang = Телефон звонил
evidence-answered = Ответили
evidence-talked = Был разговор
evidence-recorded = запись { $time }
problem-SLOT_GONE = Его места в учёте контактов не было; записано заново.
problem-NOT_SETTLED = Его конец не удалось записать.
stop-cause-CLOCK_JUMPED = Часы прыгнули на { $seconds } с
stop-cause-CLOCK_DATABASE = Часы базы данных расходятся с нашими на { $seconds } с
stop-cause-CLOCK_SHIFTED = Рабочее время сдвинули на { $seconds } с


## Listener

hist-estimated = конец по последнему свидетельству


## Backup, restore, drain

stop-reason-RESTORED = база восстановлена из копии: звонки с того момента сверяются
drain-title = Новые звонки не начинаются
drain-do = Оператор системы даёт разговорам закончиться. «backoffice drain --lift» снова разрешает звонки.
error-RESTORE_UNSETTLED = База восстановлена из копии, звонки с того момента ещё не сверены
remedy-RESTORE_UNSETTLED = Чего не хватает, оператор системы увидит командой «backoffice restore findings»; потом остановку можно снять.


## Recordings at rest

recording-DELETED = запись удалена по правилу
sound-NOT_RECORDED = Разговор не записан
sound-CUT_SHORT = Запись короче звонка
sound-NO_SOUND = Никого не слышно
sound-AGENT_SILENT = Агента не слышно: звук в одну сторону
sound-BORROWER_SILENT = Заёмщика не слышно: звук в одну сторону
sound-AGENT_CLIPPED = Голос агента перегружен
sound-BORROWER_CLIPPED = Голос заёмщика перегружен
bad-sound-title = Звонков с плохим звуком сегодня: { $n }
bad-sound-phone = телефон { $phone }
stopped-by-house = Система остановила сама
stop-cause-RECORDINGS_FULL = том записей заполнен, разговоры не были бы записаны. Освободите место, затем снимите остановку
error-RECORDINGS_FULL = Том записей заполнен
remedy-RECORDINGS_FULL = Освободите место или увеличьте том; до этого никто не набирает, потому что разговоры не были бы записаны.
error-KEY_MISSING = Запись не открывается: нет её ключа
remedy-KEY_MISSING = Сообщите администратору: нужен прежний ключ записей.


## Audit, clients, contacts elsewhere

hist-stop-list = по стоп-листу банка: { $why }
api-title = API для систем банка
api-lead = Ключ: backoffice client add ИМЯ; заголовок Authorization: Bearer КЛЮЧ. Повтор запроса ничего не меняет. Поля со звёздочкой обязательны.
api-field = Поле
api-type = Вид
api-meaning = Что означает
sources-late = Молчат источники контактов: { $names }. Дневные пределы снижены по правилу.


## Trunks and caller ids

reason-DESTINATION_NOT_ALLOWED = Направление не разрешено ни на одной линии
reason-DESTINATION_DENIED = Направление запрещено на линии
reason-DESTINATION_PREMIUM = Номер с надбавкой не набирается
reason-DESTINATION_UNREADABLE = Номер без кода страны не набирается
reason-CALLER_ID_ABSENT = У кампании нет своего номера: добавьте его
reason-CALLER_ID_OUT = Номер кампании вышел из пула по признакам операторов
reason-CALLER_ID_EXPIRED = Срок действия номера кампании истёк или ещё не наступил
reason-CALLER_ID_NOT_ADMITTED = Линия не пропускает номер кампании
reason-CALLER_ID_HIDDEN = Со скрытого номера не звоним
reason-NO_TRUNK = Нет линии, по которой можно позвонить
trunk-state-CLOSED = работает
trunk-state-OPEN = отключена из-за ошибок
trunk-state-HALF_OPEN = проверяется одним звонком
trunk-why-FAULTS = ошибки оператора
trunk-why-REFUSES_ALL = отказывает всем
trunk-why-BY_HAND = закрыта человеком
trunk-closed-do = Звонки идут другими линиями; открыть её может человек.
lines-act = Действие
lines-close = Закрыть линию
lines-open = Открыть линию
lines-close-question = Закрыть линию { $name }? Разговоры продолжатся, новых звонков по ней не будет
lines-open-question = Открыть линию { $name } для звонков?
lines-reason-needed = { $name }: без причины нельзя. Напишите, почему
caller-id-take-out = Вывести из пула
caller-id-put-back = Вернуть в пул
caller-id-out-question = Вывести { $number } из пула? Звонков с ним не будет, пока его не вернут
caller-id-back-question = Вернуть { $number } в пул? Сначала устраните то, из-за чего он вышел
caller-ids-retired = Номера, выведенные человеком
trunk-out-title = Линия { $name } отключена: { $why }
trunk-out-do = Звонки идут по другим линиям; в { $time } её проверит один звонок.
trunk-money-title = Деньги на сегодня на линии { $name } исчерпаны: { $spent } из { $budget }
trunk-money-do = До завтра она не звонит. Бóльшую сумму задаёт администратор.
caller-id-out-title = Номер { $number } вышел из пула
caller-id-out-do = Признаки: { $signs }. Другим номером он автоматически не заменён.
lines-page = Линии и номера
lines-health = Здоровье линий
lines-answers = Ответов за час
lines-cps = Звонков в секунду
lines-money = Деньги сегодня
lines-errors = Последние ошибки
lines-none = Ошибок не было
caller-ids = Номера, которые мы показываем
caller-id-number = Номер
caller-id-always = бессрочно
caller-id-calls = Звонков
caller-id-answer-rate = Ответили
caller-id-talk = Разговор
caller-id-short = До 60 с
caller-id-new = Новые номера
caller-id-silent = Тишина, потерянные
caller-id-recorded = Запись
caller-id-backs = Перезвоны
caller-id-complaints = Жалобы
caller-id-signs = Признаки
caller-id-not-judged = не оценивается: линии этой машины
caller-id-declared = заявлен { $date }
caller-id-undeclared = не заявлен
caller-id-state-IN = в пуле
caller-id-state-OUT = вне пула
caller-id-state-RETIRED = снят
span-hour = час
span-day = сутки
span-week = неделя
sign-SHORT_TALKS = короткие разговоры
sign-NEW_NUMBERS = в основном новые номера
sign-SILENT = тишина и потерянные
sign-RECORDED = записанные сообщения
sign-NO_CALL_BACK = не перезвонить
sign-COMPLAINTS = жалобы
sign-ANSWERS_BELOW_POOL = отвечают реже, чем другим


## Announcements

hist-announcement = Сеть сказала: { $meaning }
event-announcement = Объявление сети
announcement-not_in_service = номер не обслуживается
announcement-switched_off = выключен или вне зоны сети
announcement-forbidden = входящие звонки запрещены
announcement-no_funds = нет средств на счёте
announcement-voicemail = голосовая почта
announcement-ringback = гудки или мелодия вместо них
announcement-ignored = не объявление
announcement-unknown = не распознано
nav-announcements = Объявления
announcements-hint = Что говорят сети до ответа. Назовите новое один раз: каждый следующий звонок, где оно звучит, получит это значение.
announcements-new = Ждут названия
announcements-known = Библиотека
announcements-none = Ничто не ждёт названия
announcements-none-hint = Новое объявление появится здесь после первого звонка, где оно прозвучало.
announcements-heard = { $n ->
    [one] прозвучало в { $n } звонке
    [few] прозвучало в { $n } звонках
    [many] прозвучало в { $n } звонках
   *[other] прозвучало в { $n } звонка
 }
announcements-last = последний раз { $at }
announcements-listen = Объявление { $id }, { $seconds } с
announcements-meaning = Что в нём говорится?
announcements-language = Язык
announcements-carrier = Сеть
announcements-name = Сохранить название
announcements-by = назвал(а) { $by }
announcements-dead = Против номера говорит только «номер не обслуживается»: два таких дня — и туда больше не звонят. Сомневаетесь — выберите другое.
announcements-sound-gone = Запись больше не хранится.


## Call-backs

calls-us-one = Звонит нам сам. Представьтесь и спросите, кто звонит
calls-us-chosen = Звонит нам сам, человека выбрали вы. Проверьте, кто это
caller-calls-us = Звонит нам
caller-unknown = Неизвестный абонент
caller-none = Этого номера нет ни у кого. Представьтесь и спросите, кто звонит; потом найдите человека
caller-several = Этот номер есть у нескольких заёмщиков ({ $n }). Представьтесь, спросите, кто звонит, и выберите человека
caller-dialed = Набрал наш номер
caller-hidden = Пока человек не выбран и не подтверждён, о долге не говорите ничего. Данные ещё не переданы в браузер.
caller-who = Кто звонит
caller-step = Сначала выберите человека, потом проверьте его
caller-with-number = Заёмщики с этим номером
caller-last-try = звонили { $date }
caller-more = и ещё { $n }: найдите по фамилии
caller-search = Найти человека
caller-search-hint = фамилия, договор, телефон, номер дела
caller-search-why = Поиск и выбор записываются в журнал
caller-find = Найти
caller-not-found = Никого не найдено. Переспросите фамилию или номер договора
caller-more-results = Остальные результаты — когда выберете человека
caller-back = Это не тот человек
caller-number-not-his = нет среди номеров человека
caller-number-offer = Человек звонит с номера { $number }, которого у него не было
caller-number-add = Добавить номер человеку
caller-number-added = Номер добавлен
script-caller = Добрый день! { $bank }, меня зовут { $agent }. Назовите, пожалуйста, вашу фамилию, имя и отчество.
input-outcome-CALLER_NOT_CHOSEN = Сначала выберите человека: этот результат касается заёмщика
error-CALLER_NOT_CHOSEN = Не выбрано, кто звонит
remedy-CALLER_NOT_CHOSEN = Выберите человека в карточке или найдите его поиском.
error-CALLER_CONFIRMED = Личность уже подтверждена
remedy-CALLER_CONFIRMED = Звонок остаётся за этим человеком. Если это кто-то другой, скажите об этом результатом.
hist-call-in = Звонок от заёмщика: { $result }
unknown-callers = Нам звонили с неизвестных номеров
number-withheld = скрытый номер
result-MISSED = Никто не ответил

## The agent's line

line-test = Проверить линию
line-test-first = Перед готовностью проверьте линию: F2 или кнопка
line-test-calling = Соединяем ваш телефон для проверки
line-test-speak = Скажите несколько слов: вы должны услышать себя
line-test-heard = Вас слышно. А вы слышите себя?
line-test-hint = Слышите себя — подтвердите. Не слышите — проверьте наушники и микрофон.
line-test-yes = Слышу себя
bar-line-died = Звонок пришёл, а ваша линия оборвалась: он передан следующему. Вызываем ваш телефон снова.
bar-line-busy = Звонок пришёл, а ваша линия была занята: он передан следующему. Станьте в готовность, когда освободитесь.
pause-LINE_DIED = Линия оборвалась
pause-LINE_BUSY = Линия занята
pause-LINE_CHECK = Проверка линии
bad-phones = Плохой звук на телефонах: { $n }
phones-title = Звук телефонов
phones-hint = худшее за 30 мин
line-sound = потери { $loss } %, джиттер { $jitter } мс
line-short = { $loss } % · { $jitter } мс
one-way-FROM_PHONE = от телефона ничего не слышно
one-way-FROM_BORROWER = от заёмщика ничего не слышно
error-LINE_NOT_CHECKED = Линия в эту смену ещё не проверена
remedy-LINE_NOT_CHECKED = Нажмите «Проверить линию» и скажите несколько слов.
error-LINE_NOT_UP = Ваш телефон не соединён
remedy-LINE_NOT_UP = Нажмите «Проверить линию»: телефон вызовем снова.
error-LINE_SILENT = С вашего телефона ничего не слышно
remedy-LINE_SILENT = Проверьте микрофон, скажите несколько слов и подтвердите ещё раз.

## Lists and prompts

notice-given = О записи предупреждено: { $how }, { $time }
notice-by-script = по сценарию
notice-by-prompt = голосом обоим
notice-is-spoken = О записи скажет система, как только голоса встретятся
notice-said = О записи сказано
script-recorded = Разговор записывается.
notice-none = о записи не предупреждено
no-prompts-title = Набор не идёт: нет сообщений
no-prompts-do = { $names } · дайте текст или запись, затем backoffice prompts make
late-list-title = Список не пришёл: { $names }
late-list-do = его заёмщикам сегодня не звонят, пока список не принят
rule-NO_FILE = Списка на сегодня ещё нет
rule-NOT_IN_FILE = Договора нет в списке, объяснения нет
rule-DPD_0 = Нет просрочки
rule-NO_DISPOSITION = Разговор без результата
rule-DISPUTE = Спор
rule-EVIDENCE = Ждут доказательств
rule-STOP_REQUEST = Просьба не звонить
rule-SPECIALIST = У специалиста
rule-CHECK_POSTING = Проверка зачисления
rule-CALLBACK = Обещано перезвонить

## Polish

bar-more = +30 с
bar-more-title = Ещё 30 секунд на результат, один раз за звонок
search-title = Поиск: «{ $q }»
search-none = Ничего не найдено
search-none-hint = Ищут номер дела, номер договора, телефон в любой записи, фамилию с именем. Проверьте запись.
search-many = Показаны первые { $n }: уточните запрос.
case-no-result = Разговор без результата: не звонят
fast-title = Результат быстрее чем за { $seconds } с
fast-today = сегодня
fast-of = { $fast } из { $all }
alarms = Тревоги
alarms-more = { $n ->
    [one] Ещё { $n } тревога
    [few] Ещё { $n } тревоги
   *[many] Ещё { $n } тревог
 }

## Errors

error-SERVER = Что-то сломалось
remedy-SERVER = Попробуйте ещё раз; если повторится, скажите супервайзеру время и эту страницу.
error-DATABASE_AWAY = База данных не отвечает
remedy-DATABASE_AWAY = Разговоры продолжаются. Попробуйте через минуту; остановить набор можно файлом STOP или командой backoffice stop.
error-NOT_FOUND = Такого нет или оно не ваше
remedy-NOT_FOUND = Проверьте номер; дело без вашего разговора открывает супервайзер.
error-NOT_ALLOWED = Ваша роль этого не позволяет
remedy-NOT_ALLOWED = Попросите супервайзера.
error-FOREIGN_REQUEST = Запрос пришёл не с этой страницы
remedy-FOREIGN_REQUEST = Обновите страницу и повторите.
error-LOGIN_NEEDED = Сначала войдите
remedy-LOGIN_NEEDED = Сеанс длится 12 часов.
error-BAD_REQUEST = Такой запрос не принимается
remedy-BAD_REQUEST = Вернитесь и повторите.
error-BAD_INPUT = Что-то указано не так
remedy-BAD_INPUT = Проверьте поле и повторите.
error-CONFLICT = Состояние уже изменилось
remedy-CONFLICT = Посмотрите ещё раз и повторите.
error-NO_DISPOSITION = Последний звонок ещё без результата
remedy-NO_DISPOSITION = Выберите результат и сохраните его.
error-IN_CALL = Идёт разговор
remedy-IN_CALL = Завершите его и сохраните результат.
error-NO_SESSION = Вы ещё не за столом
remedy-NO_SESSION = Откройте стол и станьте в готовность.
error-NO_PHONE = У вас нет внутреннего номера
remedy-NO_PHONE = Попросите администратора.
error-EXCHANGE_AWAY = Телефония не отвечает
remedy-EXCHANGE_AWAY = Положите трубку на самом телефоне; результат можно сохранить.
error-PBX_LINK_DOWN = Телефония не отвечает
remedy-PBX_LINK_DOWN = Попробуйте через несколько секунд.
error-PBX_ACTION_UNKNOWN = Телефония не подтвердила
remedy-PBX_ACTION_UNKNOWN = Посмотрите, идёт ли звонок, и повторите.
error-PBX_ACTION_REFUSED = Телефония отказала
remedy-PBX_ACTION_REFUSED = Позовите администратора.
error-IDENTITY_LOCKED = Проверка личности закрыта
remedy-IDENTITY_LOCKED = Три ответа не совпали; о долге не говорите ничего.
error-OUTCOME_NEEDS_CONFIRMATION = Сначала подтвердите личность
remedy-OUTCOME_NEEDS_CONFIRMATION = Или выберите результат без разговора с должником.

# Why a cell of a list is no number
phone-refused-EMPTY = Ячейка пуста: запросите номер у отделения.
phone-refused-PLACEHOLDER = «{ $piece }» — не номер, а его отсутствие: оставьте ячейку пустой или запросите номер у отделения.
phone-refused-EXCEL = Excel обрезал цифры в «{ $piece }»: задайте столбцу формат «Текст» и выгрузите список ещё раз.
phone-refused-SHORT = «{ $piece }» слишком короток для номера абонента: напишите его полностью, с кодом.
phone-refused-NO_AREA_CODE = «{ $piece }» — местный номер: допишите код города или укажите код отделения вместе со списком.
phone-refused-LETTERS = Среди цифр в «{ $piece }» стоят буквы: исправьте номер в системе банка.
phone-refused-WORDS = В «{ $piece }» нет номера: запросите его у отделения.
phone-refused-PREMIUM = «{ $piece }» — платная линия, там никто не живёт: запросите номер заёмщика у отделения.
phone-refused-IMPOSSIBLE = Номера «{ $piece }» быть не может ({ $country }): проверьте цифры, а зарубежный напишите с «+».
